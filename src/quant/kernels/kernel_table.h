// The inner loops of quantization, one copy for every instruction set, all with the same results
// (docs/numerics.md). They see pointers and lengths only.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "narrow/fixed_format.h"

namespace narrow {

// The six ways to compute a code and the value it stands for. The formulas use the fields of
// BlockConstants.
enum class Rule : std::uint8_t {
  kBin,         // floor((x - offset) * up); offset + (code + 0.5) * down
  kPowerOfTwo,  // rne(x * up); code * down
  kDecimal,     // rne(x * first_up * up); code * down * last_down
  kDivided,     // rne(x / up) + offset; (code - offset) * down
  kCodebook,    // how many thresholds are below x; levels[offset + code]
  kFormat,      // x * up rounded and overflowing as FormatModes say; code * down
};
constexpr std::size_t kRules = 6;

// How numbers are rounded: |v| to the integer below, or to the one above where its fraction part is
// at least the carry. And what becomes of integers that are no code.
struct FormatModes {
  bool half_even = true;  // instead: to the nearest, ties to even
  double positive_carry = 0;
  double negative_carry = 0;
  Overflow overflow = Overflow::kSaturate;
};

// Tables of codebooks, all with the same number of levels, one after the other. A threshold lies
// between its level and the one before; the first of a codebook is not used.
struct CodebookView {
  const double* levels = nullptr;
  const double* thresholds = nullptr;
  std::size_t half = 0;  // of the levels of one codebook
};

// Bins and quotients in float32, for blocks where it gives the same bits (see float_steps.h). With
// n the nearest integer of x * up + offset, which is the code but for a constant unless n is too
// far away, the code stands for (n * coarse_down + coarse_middle) + (n * fine_down + fine_middle),
// where the first sum never rounds and it makes no difference whether the second one is fused.
struct FloatSteps {
  bool applies = false;
  float up = 0;
  float offset = 0;
  float greatest_distance = 0;  // from x * up + offset to n
  float coarse_down = 0;
  float coarse_middle = 0;
  float fine_down = 0;
  float fine_middle = 0;
};

// One block's numbers. Codes are clamped to [min, max].
struct BlockConstants {
  double offset = 0;
  double up = 1;
  double down = 1;
  double first_up = 1;
  double last_down = 1;
  double min = 0;
  double max = 0;
  // Bin: offset + 0.5 * down, and whether neither that sum nor any (code + 0.5) * down rounds. Then
  // code * down + middle rounds once, as the formula does, and takes fewer steps.
  double middle = 0;
  bool exact_products = false;
  // Power of two: float32 arithmetic does not round where the formula does not (up to 22 bits).
  bool exact_in_float = false;
  // No code stands for a value beyond float32's range.
  bool finite_ends = false;
  // The block's own range was fitted: its values need no clamping, but the greatest of a bin.
  bool fitted = false;
  FloatSteps float_steps;
  CodebookView codebook;
  const FormatModes* modes = nullptr;  // of kFormat
  // Power of two and format: values overflow where x * up <= below or >= above, and may do so.
  double below = 0;
  double above = 0;
  bool overflows = false;
};

// Numbers that change from value to value: element i uses entry i of every array that the rule
// reads; the others are null. Arrays are readable for kRowPadding entries past the last value.
struct RowConstants {
  const double* offset = nullptr;
  const double* up = nullptr;
  const double* down = nullptr;
  const double* first_up = nullptr;
  const double* last_down = nullptr;
  const double* min = nullptr;
  const double* max = nullptr;
  CodebookView codebook;  // the same for all values; `offset` finds the block's own
  const FormatModes* modes = nullptr;
  const double* below = nullptr;  // unless no value overflows
  const double* above = nullptr;
};

// Error sums are formed in chunks of kChunk values; inside a chunk value i is added to lane
// i mod kLanes. That fixes every rounding whatever the width of a vector.
constexpr std::size_t kChunk = 2048;
constexpr std::size_t kLanes = 16;
constexpr std::size_t kRowPadding = kLanes;

struct LaneSums {
  alignas(64) std::array<double, kLanes> x2{};
  alignas(64) std::array<double, kLanes> d2{};
  alignas(64) std::array<double, kLanes> d{};
  alignas(64) std::array<double, kLanes> xr{};
  alignas(64) std::array<double, kLanes> max_abs_d{};
  alignas(64) std::array<double, kLanes> max_d2{};  // of float32 values, where the square root of a
                                                    // rounded square gives |d| back
};

// Floats as integers in the same order, -0 before +0, NaN and infinities at the ends.
struct KeyRange {
  std::int32_t min = INT32_MAX;
  std::int32_t max = INT32_MIN;
};

inline float value_of_key(std::int32_t key) noexcept {
  return std::bit_cast<float>(key ^ (key < 0 ? INT32_MAX : 0));
}

// Whether every value with a key in the range is finite.
inline bool all_finite(const KeyRange& range) noexcept {
  constexpr std::int32_t kInfinity = 0x7f800000;
  constexpr std::int32_t kMinusInfinity = ~kInfinity;
  return range.max < kInfinity && range.min > kMinusInfinity;
}

// Codes relative to min, for counting.
using CodeIndex = std::int32_t;

template <typename Constants>
struct RuleKernels {
  // Restores `count` float32 values in place and adds their errors to `sums`; the first value
  // belongs to lane 0. Writes code indices unless `indices` is null.
  void (*round_trip)(const Constants& constants, float* values, std::size_t count, LaneSums* sums,
                     CodeIndex* indices);
  // The restored values before they are rounded to a type.
  void (*restore)(const Constants& constants, const float* values, std::size_t count,
                  double* restored, CodeIndex* indices);
  // The restored values as round_trip leaves them.
  void (*restore_float)(const Constants& constants, const float* values, std::size_t count,
                        float* restored);
  // The low 32 bits of the codes, two's complement.
  void (*encode)(const Constants& constants, const float* values, std::size_t count,
                 std::uint32_t* codes);
  // What the codes stand for, given as their low B bits and zeros above: before it is rounded to a
  // type, and rounded to float32, finite. A code below the least one stands for the least one.
  void (*decode)(const Constants& constants, const std::uint32_t* codes, std::size_t count,
                 double* restored);
  void (*decode_float)(const Constants& constants, const std::uint32_t* codes, std::size_t count,
                       float* restored);
};

// Affine or symmetric blocks of `run` values, one after the other, each with its own range; steps
// is 2^B - 1, or 2^(B - 1) - 1 for symmetric ones.
struct UniformGroups {
  // Of the kernels for groups: `run` and the number of values are multiples of kLanes.
  static constexpr int kMaxBits = 16;
  bool is_symmetric = false;
  double steps = 0;
  std::size_t run = 0;
};

// Types of 16 bits.
struct SmallFloatKernels {
  void (*load)(const std::uint16_t* stored, std::size_t count, float* values);
  // Rounds once, nearest-even, the largest finite value at most; `values` gets what is stored.
  void (*store)(const double* restored, std::size_t count, std::uint16_t* stored, float* values);
};

struct KernelTable {
  void (*scan)(const float* values, std::size_t count, KeyRange* range);
  // Entry i of the arrays takes value i; `range` takes all of them.
  void (*scan_rows)(const float* values, std::size_t count, std::int32_t* min_keys,
                    std::int32_t* max_keys, KeyRange* range);
  // Errors of `count` values, the first of which belongs to lane 0.
  void (*add_errors)(const double* values, const double* restored, std::size_t count,
                     LaneSums* sums);
  void (*add_float_errors)(const float* values, const float* restored, std::size_t count,
                           LaneSums* sums);
  // add_float_errors in two, for several schemes: the squares of the values and the values as
  // doubles, then everything else.
  void (*widen)(const float* values, std::size_t count, double* wide, LaneSums* sums);
  void (*add_wide_errors)(const double* wide, const float* restored, std::size_t count,
                          LaneSums* sums);
  // Fit and restore at most kChunk values, whole groups; false when one is not finite, and then
  // nothing was done. The first value belongs to lane 0.
  bool (*round_trip_groups)(const UniformGroups& groups, float* values, std::size_t count,
                            LaneSums* sums);
  bool (*restore_groups)(const UniformGroups& groups, const float* values, std::size_t count,
                         double* restored);
  bool (*restore_groups_float)(const UniformGroups& groups, const float* values, std::size_t count,
                               float* restored);
  SmallFloatKernels half;
  SmallFloatKernels bfloat16;
  std::array<RuleKernels<BlockConstants>, kRules> block;
  std::array<RuleKernels<RowConstants>, kRules> rows;
};

// The kernels for this processor (or the forced target, see simd_targets.h).
const KernelTable& kernels();

}  // namespace narrow
