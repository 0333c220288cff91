// Resize: each axis by itself as a sum of a few elements of x with weights.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "graph/rules/resize.h"
#include "nn/reference/reference_kernels.h"

namespace narrow::reference {
namespace {

struct Tap {
  std::int64_t place = 0;
  double weight = 0;
};
// By place along an axis of the result; no taps: outside of x.
using AxisTaps = std::vector<std::vector<Tap>>;

struct Axis {
  std::int64_t in = 0;
  std::int64_t out = 0;
  double scale = 1;
  double region_begin = 0;
  double region_end = 1;
};

double coordinate(op::ResizePlaces places, const Axis& axis, double x) {
  const auto in = static_cast<double>(axis.in);
  // Before it was cut to a whole number.
  const double out = axis.scale * in;
  using enum op::ResizePlaces;
  switch (places) {
    case kHalfPixel:
      return (x + 0.5) / axis.scale - 0.5;
    case kHalfPixelSymmetric: {
      const double adjustment = static_cast<double>(axis.out) / out;
      return in / 2 * (1 - adjustment) + (x + 0.5) / axis.scale - 0.5;
    }
    case kPytorchHalfPixel:
      return axis.out > 1 ? (x + 0.5) / axis.scale - 0.5 : 0;
    case kAlignCorners:
      return axis.out > 1 ? x * (in - 1) / (out - 1) : 0;
    case kAsymmetric:
      return x / axis.scale;
    case kTfHalfPixelForNearest:
      return (x + 0.5) / axis.scale;
    case kTfCropAndResize:
      return axis.out > 1 ? axis.region_begin * (in - 1) +
                                x * (axis.region_end - axis.region_begin) * (in - 1) / (out - 1)
                          : (axis.region_begin + axis.region_end) * (in - 1) / 2;
  }
  return x;
}

std::int64_t nearest(op::ResizeNearest rule, double x) {
  using enum op::ResizeNearest;
  const double below = std::floor(x);
  const bool is_half = x - below == 0.5;
  double result = below;
  switch (rule) {
    case kRoundPreferFloor:
      result = is_half ? below : std::round(x);
      break;
    case kRoundPreferCeil:
      result = is_half ? below + 1 : std::round(x);
      break;
    case kFloor:
      break;
    case kCeil:
      result = std::ceil(x);
      break;
  }
  return static_cast<std::int64_t>(result);
}

// Of an element at this distance, whose filter is as wide as its mode says.
double filter_weight(const op::Resize& resize, double distance) {
  const double t = std::abs(distance);
  if (resize.mode == op::ResizeMode::kLinear) return std::max(1 - t, 0.0);
  const double a = resize.cubic_coefficient;
  if (t <= 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  if (t < 2) return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a;
  return 0;
}

std::vector<Tap> taps_at(const op::Resize& resize, const Axis& axis, double x) {
  if (resize.mode == op::ResizeMode::kNearest) {
    const std::int64_t place = nearest(resize.nearest, x);
    return {{std::clamp<std::int64_t>(place, 0, axis.in - 1), 1}};
  }
  // Filters are stretched where the result is smaller.
  const double stretch = resize.antialias ? std::max(1 / axis.scale, 1.0) : 1;
  const double reach = (resize.mode == op::ResizeMode::kLinear ? 1 : 2) * stretch;
  std::vector<Tap> taps;
  const auto first = static_cast<std::int64_t>(std::ceil(x - reach));
  const auto last = static_cast<std::int64_t>(std::floor(x + reach));
  double sum = 0;
  for (std::int64_t place = first; place <= last; ++place) {
    const bool is_outside = place < 0 || place >= axis.in;
    const double weight = filter_weight(resize, (static_cast<double>(place) - x) / stretch);
    if (weight == 0 || (is_outside && resize.exclude_outside)) continue;
    taps.push_back({std::clamp<std::int64_t>(place, 0, axis.in - 1), weight});
    sum += weight;
  }
  for (Tap& tap : taps) tap.weight /= sum;
  return taps;
}

AxisTaps taps_of(const op::Resize& resize, const Axis& axis) {
  AxisTaps all;
  for (std::int64_t i = 0; i < axis.out; ++i) {
    const double x = coordinate(resize.places, axis, static_cast<double>(i));
    const bool is_outside = resize.places == op::ResizePlaces::kTfCropAndResize &&
                            (x < 0 || x > static_cast<double>(axis.in - 1));
    all.push_back(is_outside ? std::vector<Tap>() : taps_at(resize, axis, x));
  }
  return all;
}

// x along one axis, made of its taps. Where there are none the value is that of the outside.
ReferenceTensor resample(const ReferenceTensor& x, std::size_t axis, const AxisTaps& taps,
                         double outside) {
  ReferenceTensor y = {x.shape, {}};
  y.shape[axis] = static_cast<std::int64_t>(taps.size());
  const AxisView from(x.shape, static_cast<std::int64_t>(axis));
  y.values.resize(from.outer * taps.size() * from.inner);
  for (std::size_t i = 0; i < y.values.size(); ++i) {
    const std::size_t outer = i / (taps.size() * from.inner);
    const std::vector<Tap>& at = taps[i / from.inner % taps.size()];
    double sum = at.empty() ? outside : 0;
    for (const Tap& tap : at) {
      sum += tap.weight *
             x.values[from.at(outer, static_cast<std::size_t>(tap.place), i % from.inner)];
    }
    y.values[i] = sum;
  }
  return y;
}

bool is_given(const ReferenceTensor* input) { return input != nullptr && input->size() > 0; }

}  // namespace

void run(const op::Resize& resize, Inputs inputs, Outputs outputs) {
  const ReferenceTensor& x = *inputs[0];
  const ReferenceTensor* const region = input_at(inputs, 1);
  const ReferenceTensor* const scales = is_given(input_at(inputs, 2)) ? inputs[2] : nullptr;
  const ReferenceTensor* const sizes = is_given(input_at(inputs, 3)) ? inputs[3] : nullptr;
  std::vector<std::int64_t> axes = resize.axes;
  if (axes.empty()) {
    axes.resize(x.shape.size());
    std::iota(axes.begin(), axes.end(), 0);
  }
  std::vector<std::int64_t> in;
  for (std::int64_t& axis : axes) {
    if (axis < 0) axis += static_cast<std::int64_t>(x.shape.size());
    in.push_back(x.shape[static_cast<std::size_t>(axis)]);
  }
  const bool crops = resize.places == op::ResizePlaces::kTfCropAndResize;
  const std::span<const double> ends =
      crops ? std::span<const double>(region->values) : std::span<const double>();
  const std::vector<ResizedAxis> resized = resized_axes(
      resize, in, ends,
      scales != nullptr ? std::span<const double>(scales->values) : std::span<const double>(),
      sizes != nullptr ? std::span<const std::int64_t>(sizes->integers)
                       : std::span<const std::int64_t>());
  ReferenceTensor y = {x.shape, {}};
  for (std::size_t i = 0; i < x.size(); ++i) y.values.push_back(real_at(x, i));
  for (std::size_t i = 0; i < axes.size(); ++i) {
    Axis axis = {in[i], resized[i].size, resized[i].scale};
    if (crops) {
      axis.region_begin = ends[i];
      axis.region_end = ends[i + axes.size()];
    }
    const bool stays = axis.in == axis.out && axis.scale == 1 && !crops;
    if (!stays) {
      y = resample(y, static_cast<std::size_t>(axes[i]), taps_of(resize, axis),
                   resize.extrapolation_value);
    }
  }
  outputs[0].shape = y.shape;
  if (outputs[0].is_real()) {
    outputs[0].values = std::move(y.values);
    return;
  }
  for (std::size_t i = 0; i < y.values.size(); ++i) {
    outputs[0].integers[i] = static_cast<std::int64_t>(std::nearbyint(y.values[i]));
  }
}

}  // namespace narrow::reference
