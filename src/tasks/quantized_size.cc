#include "tasks/quantized_size.h"

#include <fmt/format.h>

#include "base/checked.h"
#include "narrow/error.h"

namespace narrow {

std::uint64_t packed_code_bits(const Scheme& scheme, std::uint64_t elements) {
  std::uint64_t bits = 0;
  std::uint64_t padded = 0;
  if (!checked_mul(elements, static_cast<std::uint64_t>(scheme.bits), &bits) ||
      !checked_add(bits, std::uint64_t{7}, &padded)) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{} codes of {} bits do not fit in a file", elements, scheme.bits));
  }
  return padded / 8 * 8;
}

std::uint64_t block_parameter_bits(const Scheme& scheme) {
  constexpr std::uint64_t kNumber = 64;
  switch (scheme.kind) {
    case SchemeKind::kBin:     // lo, width
    case SchemeKind::kAffine:  // scale, zero
      return 2 * kNumber;
    case SchemeKind::kFixedPoint:  // fraction bits, decimal exponent and sign as one number
    case SchemeKind::kSymmetric:   // scale
      return kNumber;
    case SchemeKind::kCodebook:  // levels, as float32
      return std::uint64_t{32} << scheme.bits;
  }
  return 0;
}

}  // namespace narrow
