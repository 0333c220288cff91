#include "tasks/network/scales/absorb_scales.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "base/parallel.h"
#include "narrow/error.h"
#include "narrow/quantize_values.h"

namespace narrow {
namespace {

constexpr int kClipsPerOctave = 16;
constexpr int kClips = 4 * kClipsPerOctave;
constexpr double kLargestFactor = 0x1p20;

double largest_of(std::span<const float> values) {
  float largest = 0;
  for (const float value : values) largest = std::max(largest, std::fabs(value));
  return largest;
}

// The least admissible bound that is not below `largest`.
double bound_for(double largest, const Scheme& scheme) {
  if (largest == 0) largest = 1;
  const double top =
      scheme.kind == SchemeKind::kFixedPoint ? 1 - std::ldexp(1.0, 1 - scheme.bits) : 1;
  int exponent = 0;
  std::frexp(largest / top, &exponent);  // largest / top < 2^exponent
  double bound = std::ldexp(top, exponent);
  if (bound / 2 >= largest) bound /= 2;
  return bound;
}

// Squared error of the channel, in its own units, when it is clipped at `clip`.
double clipped_error(std::span<const float> channel, double clip, double bound,
                     const Scheme& scheme, const BlockParams& params, std::vector<float>& scaled) {
  const double factor = bound / clip;
  std::ranges::transform(channel, scaled.begin(),
                         [&](float value) { return static_cast<float>(value * factor); });
  return round_trip(scaled, scheme, params, scaled).sum_d2 / (factor * factor);
}

double best_clip(std::span<const float> channel, double largest, double bound,
                 const Scheme& scheme) {
  const BlockParams params = fit_range(-bound, bound, scheme);
  std::vector<float> scaled(channel.size());
  double best = largest;
  double least = clipped_error(channel, largest, bound, scheme, params, scaled);
  for (int k = 1; k < kClips; ++k) {
    // Halvings are exact; 2^(-k/16) for the rest comes from repeated multiplication.
    double clip = std::ldexp(largest, -(k / kClipsPerOctave));
    for (int i = 0; i < k % kClipsPerOctave; ++i) clip *= 0.9576032806985737;  // 2^(-1/16)
    const double error = clipped_error(channel, clip, bound, scheme, params, scaled);
    if (error < least) {
      least = error;
      best = clip;
    }
  }
  return best;
}

// What the channel is clipped at under the scheme's range.
double clip_of(std::span<const float> channel, double largest, double bound, const Scheme& scheme) {
  switch (scheme.range.kind) {
    case Range::Kind::kMinMax:
      return largest;
    case Range::Kind::kMse:
      return best_clip(channel, largest, bound, scheme);
    case Range::Kind::kPercentile:
    case Range::Kind::kAciq:
      break;
  }
  Scheme bins;
  bins.bits = scheme.bits;
  bins.range = scheme.range;
  const BlockParams params = fit(channel, bins);
  const double clip = std::max(std::fabs(params.lo), std::fabs(params.hi));
  return clip > 0 ? clip : largest;
}

}  // namespace

AbsorbedScales absorbable_scales(std::span<const float> weights, const Shape& shape,
                                 const Scheme& scheme) {
  if (scheme.kind == SchemeKind::kFixedPoint &&
      (scheme.scaling == Scaling::kDecimal || scheme.bits < 2)) {
    throw Error(ErrorCategory::kUsage,
                "channel scales are absorbed on the binary grid of fixed-point with 2 bits or "
                "more; decimal scaling and 1 bit have no range that fits one");
  }
  const auto depth = static_cast<std::size_t>(shape.back());
  AbsorbedScales scales;
  scales.bound = bound_for(largest_of(weights), scheme);
  scales.factors.assign(depth, kLargestFactor);
  parallel_for(depth, [&](std::size_t c) {
    std::vector<float> channel;
    channel.reserve(weights.size() / depth);
    for (std::size_t i = c; i < weights.size(); i += depth) channel.push_back(weights[i]);
    const double largest = largest_of(channel);
    if (largest * kLargestFactor <= scales.bound) return;
    scales.factors[c] =
        std::min(scales.bound / clip_of(channel, largest, scales.bound, scheme), kLargestFactor);
  });
  return scales;
}

}  // namespace narrow
