// Which numbers the codes of a value between operators have to hold, and the scale that follows.
#pragma once

#include <cstdint>

#include "methods/activations/value_statistics.h"
#include "narrow/activation_scheme.h"
#include "narrow/tensor.h"

namespace narrow {

// (code - zero) * scale, with codes from `least` to `greatest` of a type that may hold more.
struct ActivationFormat {
  float scale = 1;
  std::int64_t zero = 0;
  DType type = DType::kUInt8;
  std::int64_t least = 0;
  std::int64_t greatest = 255;

  // Of so many codes.
  [[nodiscard]] int bits() const;
  // Whether codes that the type has and the format has not need to be kept out.
  [[nodiscard]] bool is_narrower_than_type() const;
  bool operator==(const ActivationFormat&) const = default;
};

// The smallest integer type of 8 or 16 bits that holds codes of so many.
DType type_of_codes(bool is_signed, int bits);

// Part of what was seen.
struct SeenRange {
  double least = 0;
  double greatest = 0;
};

// The range of the kind that the scheme asks for:
// - minmax: all of it;
// - percentile: from the (100 - P)-th to the P-th percentile by nearest rank, as far as bins tell;
// - mse: the least squared error of the bins' centres; the ends are moved in turn, twice, in steps
//   of a 64th;
// - entropy: the least divergence of the rounded histogram from the one that was clipped (Migacz,
//   "8-bit Inference with TensorRT", GTC 2017), searched likewise.
SeenRange choose_range(const ValueStatistics& seen, const ActivationScheme& scheme);

// Scale and zero point of ONNX's QuantizeLinear for a range, which is widened to contain 0:
// docs/integers.md has the formulas. A range of zeros alone gets scale 1.
ActivationFormat fit_format(const SeenRange& range, const ActivationScheme& scheme);

// The root of the squared error that these codes make, over that of the squared values, where
// values spread evenly over their bins; 0 without values.
double relative_error(const ValueStatistics& seen, const ActivationFormat& format);

// Of the values that were seen, those that no code holds.
std::uint64_t clipped_values(const ValueStatistics& seen, const ActivationFormat& format);

}  // namespace narrow
