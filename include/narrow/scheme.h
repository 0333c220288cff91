// What to do to a tensor (Scheme) and what a fit found (BlockParams): plain data.
// docs/numerics.md defines every number.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "narrow/export.h"
#include "narrow/fixed_format.h"

namespace narrow {

enum class SchemeKind {
  kBin,         // 2^B equal bins between minimum and maximum; restored to the bin's centre
  kFixedPoint,  // integers times a power of two (Qm.n), or the historical decimal scaling
  kAffine,      // scale and zero point, the range widened to contain 0
  kSymmetric,   // scale only, codes -(2^(B-1)-1) .. 2^(B-1)-1
  kCodebook,    // 2^B levels placed where they cost least (Lloyd-Max); 1 to 8 bits
};
constexpr int kMaxCodebookBits = 8;

enum class Scaling { kBinary, kDecimal };  // of the fixed-point scheme

struct Granularity {
  enum class Kind {
    kTensor,   // one block: the whole tensor
    kChannel,  // one block for each index along the channel axis or axes
    kGroup,    // one block for each `group_size` consecutive values; the last may be shorter
  };
  Kind kind = Kind::kTensor;
  std::int64_t group_size = 0;
  // Channel axis, negative counts from the last; the tensor's own when absent (channel_axes.h).
  // Tensors of rank 0 and 1 are one block in channel mode.
  std::optional<int> axis;
  // So many axes from `axis` on are the channels together: 2 for a depthwise kernel [kh, kw, C, M],
  // which has C * M of them.
  int axis_count = 1;
  bool operator==(const Granularity&) const = default;
};

// Which part of a block's values the codes have to hold. Values outside get the nearest code.
// A codebook follows all values of its block: it takes kMinMax only.
struct Range {
  enum class Kind {
    kMinMax,      // all of them
    kPercentile,  // from the (100 - P)-th to the P-th percentile by nearest rank
    kMse,         // the part with the least squared error over the block
    kAciq,        // closed form for Gaussian or Laplacian values (Banner et al., arXiv 1810.05723)
  };
  Kind kind = Kind::kMinMax;
  double percentile = 0;  // P of kPercentile, above 50 and up to 100; else 0
  bool operator==(const Range&) const = default;
};

struct Scheme {
  SchemeKind kind = SchemeKind::kBin;
  int bits = 8;  // 1..32
  Scaling scaling = Scaling::kBinary;
  Granularity granularity;
  Range range = {};
  FixedFormat format = {};  // of fixed point with binary scaling
  bool operator==(const Scheme&) const = default;
};

// "bin", "fixed-point", "affine", "symmetric", "codebook".
NARROW_EXPORT std::string_view to_string(SchemeKind kind) noexcept;
// The scheme of that name; throws Error(kUsage) naming the five.
NARROW_EXPORT SchemeKind parse_scheme_kind(std::string_view name);
// "minmax", "percentile:99.9", "mse", "aciq"; parse_range takes the same and throws Error(kUsage).
NARROW_EXPORT std::string to_string(const Range& range);
NARROW_EXPORT Range parse_range(std::string_view text);
// Whether ranges other than kMinMax make sense for the scheme: for all but kCodebook.
NARROW_EXPORT bool takes_range(SchemeKind kind) noexcept;
// "tensor", "channel", "group:64"; parse_granularity takes the same and throws Error(kUsage).
NARROW_EXPORT std::string to_string(const Granularity& granularity);
NARROW_EXPORT Granularity parse_granularity(std::string_view text);
// Throws Error(kUsage): bits outside 1..32 (codebook: 1..8), symmetric with 1 bit, group size < 1,
// percentile outside (50, 100], a codebook with a range; a fixed-point format of another scheme,
// one that leaves nothing for a range to choose, or overflow to zero or by wrapping of a clipped
// range.
NARROW_EXPORT void validate(const Scheme& scheme);
// Whether anything of the fixed-point format was given: overflowing values are counted then.
NARROW_EXPORT bool has_format(const Scheme& scheme) noexcept;

// What fit found for one block: with the scheme all that decoding needs. Which fields mean
// something depends on the scheme. For every scheme but kCodebook all fields follow from lo and hi,
// which are float32 numbers: fit_range(lo, hi, scheme) gives them back, but for `clips`.
struct BlockParams {
  double lo = 0;              // least value of the block, or where its range begins
  double hi = 0;              // greatest value of the block, or where its range ends
  double bin_width = 0;       // (hi - lo) / 2^B
  int fraction_bits = 0;      // fixed-point: n of Qm.n (binary), f (decimal)
  int decimal_exponent = 0;   // fixed-point decimal: s, values are multiplied by 10^s first
  double scale = 1;           // affine, symmetric
  std::int64_t zero = 0;      // affine: the zero point
  bool is_signed = false;     // fixed-point: lo < 0, or the format says always
  bool clips = false;         // some value of the block lies outside what the codes hold
  std::vector<float> levels;  // codebook: 2^B values in ascending order, repeated where fewer do
  bool operator==(const BlockParams&) const = default;
};

// "Q1.6" for a signed binary fixed-point block of 8 bits with n = 6 (m = B - signed - n).
NARROW_EXPORT std::string q_format(const Scheme& scheme, const BlockParams& params);

}  // namespace narrow
