#include "stream/quantized_size.h"

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
  switch (scheme.kind) {
    case SchemeKind::kBin:
    case SchemeKind::kAffine:  // both ends of the range, as float32
      return 32 + 32;
    case SchemeKind::kSymmetric:  // the largest magnitude
      return 32;
    case SchemeKind::kFixedPoint:  // fraction bits, sign, decimal exponent
      return scheme.scaling == Scaling::kDecimal ? 16 + 8 + 8 : 16 + 8;
    case SchemeKind::kCodebook:  // levels
      return std::uint64_t{32} << scheme.bits;
  }
  return 0;
}

}  // namespace narrow
