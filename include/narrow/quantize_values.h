// Quantization of arrays of float32 that form one block, and the error measures.
// docs/numerics.md defines every result; every CPU and every thread count gives the same bits.
#pragma once

#include <cstdint>
#include <span>

#include "narrow/export.h"
#include "narrow/scheme.h"

namespace narrow {

// The parameters of `scheme` for one block with these values, in any order. An empty block gives
// BlockParams{}, a codebook with levels of 0. Ranges other than minmax and codebooks sort a copy.
// Throws Error(kUsage) for an invalid scheme, Error(kNumeric) when a value is NaN or infinite.
NARROW_EXPORT BlockParams fit(std::span<const float> values, const Scheme& scheme);

// The same from a known range, whatever scheme.range says: lo <= hi, both within float32's range,
// else Error(kUsage), as for a codebook. Ends nearer to zero than every other float32 count as
// zero.
NARROW_EXPORT BlockParams fit_range(double lo, double hi, const Scheme& scheme);

// The smallest and the largest code the scheme can produce with these parameters.
struct CodeRange {
  std::int64_t min = 0;
  std::int64_t max = 0;
};
NARROW_EXPORT CodeRange code_range(const Scheme& scheme, const BlockParams& params);

// codes[i] = the code of values[i]; both of equal length, else Error(kUsage). Values must be
// finite.
NARROW_EXPORT void encode(std::span<const float> values, const Scheme& scheme,
                          const BlockParams& params, std::span<std::int64_t> codes);

// restored[i] = the value that codes[i] stands for; both of equal length. A value beyond float32's
// range becomes the largest finite float32 of its sign; a code outside code_range stands for the
// nearest one inside.
NARROW_EXPORT void decode(std::span<const std::int64_t> codes, const Scheme& scheme,
                          const BlockParams& params, std::span<float> restored);

// Sums from which every error measure follows. x are the original values, d = restored - x.
// The sums of a tensor are formed in a fixed order (docs/numerics.md, "Order of summation").
struct NARROW_EXPORT ErrorSums {
  std::uint64_t count = 0;
  double sum_x2 = 0;     // sum of x * x
  double sum_d2 = 0;     // sum of d * d
  double sum_d = 0;      // sum of d
  double sum_xr = 0;     // sum of x * restored
  double max_abs_d = 0;  // largest |d|
  // Values that the codes cannot represent (docs/numerics.md, "Given formats"): they saturated,
  // became 0 or wrapped, as the format says. Counted for schemes with a format (has_format) only.
  std::uint64_t overflowed = 0;

  // Adds the sums of the values that follow this block's.
  void merge(const ErrorSums& next);

  // sqrt(sum_d2) / sqrt(sum_x2); 0 when both are 0, +infinity when only the denominator is.
  [[nodiscard]] double relative_l2() const;
  // 10 log10(sum_x2 / sum_d2): +infinity without error, -infinity when only x is all zero.
  [[nodiscard]] double sqnr_db() const;
  // Mean of d; 0 for no values.
  [[nodiscard]] double bias() const;
  // Cosine of the angle between x and restored; 1 when both are zero vectors, 0 when one is.
  [[nodiscard]] double cosine() const;
};

// encode and decode in one pass without storing codes; restored may be the same memory as values.
NARROW_EXPORT ErrorSums round_trip(std::span<const float> values, const Scheme& scheme,
                                   const BlockParams& params, std::span<float> restored);

// The sums of d = restored - original, without quantizing; equal lengths.
NARROW_EXPORT ErrorSums measure_error(std::span<const float> original,
                                      std::span<const float> restored);
NARROW_EXPORT ErrorSums measure_error(std::span<const double> original,
                                      std::span<const double> restored);

}  // namespace narrow
