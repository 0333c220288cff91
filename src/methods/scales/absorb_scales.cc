#include "methods/scales/absorb_scales.h"

#include <fmt/format.h>

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

// The weights of one output channel that meet pixels at all, tap by tap.
struct Channel {
  std::vector<float> weights;
  std::vector<double> shares;  // of each tap
  double largest = 0;
};

Channel channel_of(std::span<const float> weights, const Shape& shape,
                   std::span<const double> tap_shares, std::size_t channel) {
  const auto inputs = static_cast<std::size_t>(shape[2]);
  const auto channels = static_cast<std::size_t>(shape[3]);
  Channel result;
  for (std::size_t tap = 0; tap < tap_shares.size(); ++tap) {
    if (tap_shares[tap] == 0) continue;
    result.shares.push_back(tap_shares[tap]);
    for (std::size_t input = 0; input < inputs; ++input) {
      result.weights.push_back(weights[(tap * inputs + input) * channels + channel]);
    }
  }
  result.largest = largest_of(result.weights);
  return result;
}

// Squared error of the channel, in its own units, when it is clipped at `clip`.
double clipped_error(const Channel& channel, double clip, double bound, const Scheme& scheme,
                     const BlockParams& params, std::vector<float>& scaled) {
  const double factor = bound / clip;
  std::ranges::transform(channel.weights, scaled.begin(),
                         [&](float value) { return static_cast<float>(value * factor); });
  const std::size_t inputs = scaled.size() / channel.shares.size();
  double error = 0;
  for (std::size_t tap = 0; tap < channel.shares.size(); ++tap) {
    const std::span<float> part = std::span(scaled).subspan(tap * inputs, inputs);
    error += channel.shares[tap] * round_trip(part, scheme, params, part).sum_d2;
  }
  return error / (factor * factor);
}

double best_clip(const Channel& channel, double bound, const Scheme& scheme) {
  const BlockParams params = fit_range(-bound, bound, scheme);
  std::vector<float> scaled(channel.weights.size());
  double best = channel.largest;
  double least = clipped_error(channel, best, bound, scheme, params, scaled);
  for (int k = 1; k < kClips; ++k) {
    // Halvings are exact; 2^(-k/16) for the rest comes from repeated multiplication.
    double clip = std::ldexp(channel.largest, -(k / kClipsPerOctave));
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
double clip_of(const Channel& channel, double bound, const Scheme& scheme) {
  switch (scheme.range.kind) {
    case Range::Kind::kMinMax:
      return channel.largest;
    case Range::Kind::kMse:
      return best_clip(channel, bound, scheme);
    case Range::Kind::kPercentile:
    case Range::Kind::kAciq:
      break;
  }
  Scheme bins;
  bins.bits = scheme.bits;
  bins.range = scheme.range;
  const BlockParams params = fit(channel.weights, bins);
  const double clip = std::max(std::fabs(params.lo), std::fabs(params.hi));
  return clip > 0 ? clip : channel.largest;
}

}  // namespace

void require_one_range(const Scheme& scheme, std::string_view name) {
  const bool has_range = scheme.kind != SchemeKind::kCodebook;
  if (has_range && scheme.granularity.kind == Granularity::Kind::kTensor) return;
  throw Error(
      ErrorCategory::kUsage,
      fmt::format("{}: absorbing channel scales gives every channel the same loading of one "
                  "range, so it goes with granularity tensor and not with codebooks",
                  name));
}

AbsorbedScales absorbable_scales(std::span<const float> weights, const Shape& shape,
                                 std::span<const double> tap_shares, const Scheme& scheme) {
  if (scheme.kind == SchemeKind::kFixedPoint &&
      (scheme.scaling == Scaling::kDecimal || scheme.bits < 2)) {
    throw Error(ErrorCategory::kUsage,
                "channel scales are absorbed on the binary grid of fixed-point with 2 bits or "
                "more; decimal scaling and 1 bit have no range that fits one");
  }
  const auto channels = static_cast<std::size_t>(shape.back());
  AbsorbedScales scales;
  scales.bound = bound_for(largest_of(weights), scheme);
  scales.factors.assign(channels, kLargestFactor);
  parallel_for(channels, [&](std::size_t c) {
    const Channel channel = channel_of(weights, shape, tap_shares, c);
    if (channel.largest * kLargestFactor <= scales.bound) return;
    scales.factors[c] =
        std::min(scales.bound / clip_of(channel, scales.bound, scheme), kLargestFactor);
  });
  return scales;
}

}  // namespace narrow
