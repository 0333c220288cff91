// Convolutions and pools.
#include <algorithm>
#include <cmath>
#include <limits>

#include "nn/reference/reference_kernels.h"

namespace narrow::reference {
namespace {

// A tap of a window and the pixel of the input that it lies on, both as row-major indices.
struct TapPixel {
  std::size_t tap = 0;
  std::size_t pixel = 0;
};

// Of the window at `place`: every tap that lies inside the input, in order.
std::vector<TapPixel> taps_at(const std::vector<std::int64_t>& place, const Window& window,
                              std::span<const std::int64_t> sizes,
                              const std::vector<std::int64_t>& before) {
  std::vector<TapPixel> found;
  Indices taps(window.kernel);
  const std::size_t count = count_of(window.kernel);
  for (std::size_t tap = 0; tap < count; ++tap, taps.next()) {
    std::int64_t pixel = 0;
    bool inside = true;
    for (std::size_t axis = 0; axis < window.rank(); ++axis) {
      const std::int64_t position = place[axis] * window.strides[axis] - before[axis] +
                                    (*taps)[axis] * window.dilations[axis];
      inside = inside && position >= 0 && position < sizes[axis];
      pixel = pixel * sizes[axis] + position;
    }
    if (inside) found.push_back({tap, static_cast<std::size_t>(pixel)});
  }
  return found;
}

// Of all windows, by pixel of the result: they are the same for every image and channel.
std::vector<std::vector<TapPixel>> taps_by_pixel(const Window& window, const Shape& x,
                                                 const Shape& y, bool ceil_mode) {
  const std::span<const std::int64_t> sizes = pixel_sizes(x);
  std::vector<std::int64_t> before;
  for (std::size_t axis = 0; axis < window.rank(); ++axis) {
    before.push_back(window_places(window, axis, sizes[axis], ceil_mode).before);
  }
  std::vector<std::vector<TapPixel>> taps;
  Indices place(pixel_sizes(y));
  const std::size_t count = count_of(pixel_sizes(y));
  for (std::size_t i = 0; i < count; ++i, place.next()) {
    taps.push_back(taps_at(*place, window, sizes, before));
  }
  return taps;
}

// Weights [out, in / group, kernel...] as [tap][in / group][out], so that the innermost loop of a
// convolution runs over numbers that lie side by side.
std::vector<double> outputs_last(const ReferenceTensor& weights) {
  const auto outputs = static_cast<std::size_t>(weights.shape[0]);
  const auto inputs = static_cast<std::size_t>(weights.shape[1]);
  const std::size_t taps = count_of(pixel_sizes(weights.shape));
  std::vector<double> result(weights.values.size());
  for (std::size_t i = 0; i < result.size(); ++i) {
    const std::size_t output = i / (inputs * taps);
    const std::size_t input = i / taps % inputs;
    result[(i % taps * inputs + input) * outputs + output] = weights.values[i];
  }
  return result;
}

// How many taps of the window at `place` lie inside the input or its declared padding.
std::int64_t taps_with_padding(const Window& window, const std::vector<std::int64_t>& place,
                               std::span<const std::int64_t> sizes, bool ceil_mode) {
  std::int64_t count = 1;
  for (std::size_t axis = 0; axis < window.rank(); ++axis) {
    const WindowPlaces places = window_places(window, axis, sizes[axis], ceil_mode);
    const bool is_explicit = window.auto_pad == AutoPad::kNotSet;
    const std::int64_t after =
        is_explicit ? window.pads[window.rank() + axis] : std::max<std::int64_t>(places.after, 0);
    std::int64_t inside = 0;
    for (std::int64_t tap = 0; tap < window.kernel[axis]; ++tap) {
      const std::int64_t position =
          place[axis] * window.strides[axis] - places.before + tap * window.dilations[axis];
      if (position < sizes[axis] + after) ++inside;
    }
    count *= inside;
  }
  return count;
}

// The padding that is cut away before the first element of each axis.
std::vector<std::int64_t> cut_before(const op::ConvTranspose& conv, const Shape& x,
                                     const Shape& y) {
  const Window& window = conv.window;
  const bool is_same =
      window.auto_pad == AutoPad::kSameUpper || window.auto_pad == AutoPad::kSameLower;
  std::vector<std::int64_t> before;
  for (std::size_t axis = 0; axis < window.rank(); ++axis) {
    if (!is_same && conv.output_shape.empty()) {
      before.push_back(window.auto_pad == AutoPad::kNotSet ? window.pads[axis] : 0);
      continue;
    }
    const std::int64_t more = conv.output_padding.empty() ? 0 : conv.output_padding[axis];
    const std::int64_t whole =
        window.strides[axis] * (x[axis + 2] - 1) + window.extent(axis) + more;
    const std::int64_t total = std::max<std::int64_t>(whole - y[axis + 2], 0);
    before.push_back(window.auto_pad == AutoPad::kSameUpper ? total / 2 : total - total / 2);
  }
  return before;
}

template <typename T>
void max_pool(const op::MaxPool& pool, const ReferenceTensor& x, Outputs outputs) {
  const auto taps = taps_by_pixel(pool.window, x.shape, outputs[0].shape, pool.ceil_mode);
  const std::span<const std::int64_t> sizes = pixel_sizes(x.shape);
  const std::size_t in_pixels = count_of(sizes);
  // The place of a pixel when the first axis runs fastest.
  const auto transposed = [&](std::size_t pixel) {
    std::size_t place = 0;
    for (std::size_t axis = sizes.size(); axis-- > 0;) {
      const std::size_t stride = count_of(sizes.first(axis));
      place += pixel % static_cast<std::size_t>(sizes[axis]) * stride;
      pixel /= static_cast<std::size_t>(sizes[axis]);
    }
    return place;
  };
  for (std::size_t i = 0; i < outputs[0].size(); ++i) {
    const std::size_t plane = i / taps.size();
    T largest = std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity()
                                                     : std::numeric_limits<T>::lowest();
    std::size_t best = 0;
    for (const TapPixel& tap : taps[i % taps.size()]) {
      const T value = number<T>(x, plane * in_pixels + tap.pixel);
      if (value > largest) {
        largest = value;
        best = tap.pixel;
      }
    }
    elements<T>(outputs[0])[i] = largest;
    outputs[1].integers[i] = static_cast<std::int64_t>(
        plane * in_pixels + (pool.column_major_places ? transposed(best) : best));
  }
}

}  // namespace

void run(const op::Conv& conv, Inputs inputs, Outputs outputs) {
  const ReferenceTensor& x = *inputs[0];
  const ReferenceTensor* const biases = input_at(inputs, 2);
  ReferenceTensor& y = outputs[0];
  const auto taps = taps_by_pixel(conv.window, x.shape, y.shape, false);
  const std::vector<double> weights = outputs_last(*inputs[1]);
  const auto images = static_cast<std::size_t>(y.shape[0]);
  const auto groups = static_cast<std::size_t>(conv.group);
  const auto out_channels = static_cast<std::size_t>(y.shape[1]);
  const std::size_t group_outputs = out_channels / groups;
  const auto group_inputs = static_cast<std::size_t>(inputs[1]->shape[1]);
  const std::size_t in_pixels = count_of(pixel_sizes(x.shape));
  std::vector<double> sums(group_outputs);
  for (std::size_t plane = 0; plane < images * groups; ++plane) {
    const std::size_t first_output = plane % groups * group_outputs;
    const double* const from = x.values.data() + plane * group_inputs * in_pixels;
    double* const to = y.values.data() + plane * group_outputs * taps.size();
    for (std::size_t i = 0; i < taps.size(); ++i) {
      for (std::size_t c = 0; c < group_outputs; ++c) {
        sums[c] = biases == nullptr ? 0 : biases->values[first_output + c];
      }
      for (const auto& [tap, pixel] : taps[i]) {
        for (std::size_t input = 0; input < group_inputs; ++input) {
          const double value = from[input * in_pixels + pixel];
          const double* const row =
              weights.data() + (tap * group_inputs + input) * out_channels + first_output;
          for (std::size_t c = 0; c < group_outputs; ++c) sums[c] += row[c] * value;
        }
      }
      for (std::size_t c = 0; c < group_outputs; ++c) to[c * taps.size() + i] = sums[c];
    }
  }
}

void run(const op::ConvTranspose& conv, Inputs inputs, Outputs outputs) {
  const ReferenceTensor& x = *inputs[0];
  const ReferenceTensor& weights = *inputs[1];
  const ReferenceTensor* const biases = input_at(inputs, 2);
  ReferenceTensor& y = outputs[0];
  // The result's pixels are the places whose windows reach the input's: a convolution backwards.
  Window window = conv.window;
  const std::vector<std::int64_t> before = cut_before(conv, x.shape, y.shape);
  const std::size_t in_pixels = count_of(pixel_sizes(x.shape));
  const std::size_t out_pixels = count_of(pixel_sizes(y.shape));
  const std::size_t tap_count = count_of(window.kernel);
  const auto groups = static_cast<std::size_t>(conv.group);
  const auto out_channels = static_cast<std::size_t>(y.shape[1]);
  const std::size_t group_outputs = out_channels / groups;
  const std::size_t group_inputs = static_cast<std::size_t>(x.shape[1]) / groups;
  if (biases != nullptr) {
    for (std::size_t i = 0; i < y.values.size(); ++i) {
      y.values[i] = biases->values[i / out_pixels % out_channels];
    }
  }
  Indices place(pixel_sizes(x.shape));
  for (std::size_t pixel = 0; pixel < in_pixels; ++pixel, place.next()) {
    const auto taps = taps_at(*place, window, pixel_sizes(y.shape), before);
    for (std::size_t plane = 0; plane < count_of(std::span(x.shape).first(2)); ++plane) {
      const double value = x.values[plane * in_pixels + pixel];
      const std::size_t input = plane % (groups * group_inputs);
      const std::size_t image = plane / (groups * group_inputs);
      const std::size_t first = image * out_channels + input / group_inputs * group_outputs;
      for (std::size_t c = 0; c < group_outputs; ++c) {
        const double* const row = weights.values.data() + (input * group_outputs + c) * tap_count;
        double* const to = y.values.data() + (first + c) * out_pixels;
        for (const TapPixel& tap : taps) to[tap.pixel] += row[tap.tap] * value;
      }
    }
  }
}

void run(const op::MaxPool& pool, Inputs inputs, Outputs outputs) {
  with_number(inputs[0]->type,
              [&](auto zero) { max_pool<decltype(zero)>(pool, *inputs[0], outputs); });
}

void run(const op::AveragePool& pool, Inputs inputs, Outputs outputs) {
  const ReferenceTensor& x = *inputs[0];
  ReferenceTensor& y = outputs[0];
  const auto taps = taps_by_pixel(pool.window, x.shape, y.shape, pool.ceil_mode);
  const std::size_t in_pixels = count_of(pixel_sizes(x.shape));
  std::vector<double> counts;
  Indices place(pixel_sizes(y.shape));
  for (std::size_t i = 0; i < taps.size(); ++i, place.next()) {
    counts.push_back(pool.count_include_pad
                         ? static_cast<double>(taps_with_padding(
                               pool.window, *place, pixel_sizes(x.shape), pool.ceil_mode))
                         : static_cast<double>(taps[i].size()));
  }
  for (std::size_t i = 0; i < y.values.size(); ++i) {
    const std::size_t pixel = i % taps.size();
    for (const TapPixel& tap : taps[pixel]) {
      y.values[i] += x.values[i / taps.size() * in_pixels + tap.pixel];
    }
    y.values[i] /= counts[pixel];
  }
}

void run(const op::LpPool& pool, Inputs inputs, Outputs outputs) {
  const ReferenceTensor& x = *inputs[0];
  ReferenceTensor& y = outputs[0];
  const auto taps = taps_by_pixel(pool.window, x.shape, y.shape, pool.ceil_mode);
  const std::size_t in_pixels = count_of(pixel_sizes(x.shape));
  const auto power = static_cast<double>(pool.p);
  for (std::size_t i = 0; i < y.values.size(); ++i) {
    for (const TapPixel& tap : taps[i % taps.size()]) {
      const double value = x.values[i / taps.size() * in_pixels + tap.pixel];
      y.values[i] += std::pow(std::abs(value), power);
    }
    y.values[i] = std::pow(y.values[i], 1 / power);
  }
}

void run(const op::GlobalAveragePool& /*pool*/, Inputs inputs, Outputs outputs) {
  const ReferenceTensor& x = *inputs[0];
  ReferenceTensor& y = outputs[0];
  const std::size_t pixels = count_of(pixel_sizes(x.shape));
  for (std::size_t i = 0; i < x.values.size(); ++i) y.values[i / pixels] += x.values[i];
  for (double& value : y.values) value /= static_cast<double>(pixels);
}

void run(const op::GlobalMaxPool& /*pool*/, Inputs inputs, Outputs outputs) {
  const ReferenceTensor& x = *inputs[0];
  ReferenceTensor& y = outputs[0];
  const std::size_t pixels = count_of(pixel_sizes(x.shape));
  for (std::size_t i = 0; i < x.values.size(); ++i) {
    double& largest = y.values[i / pixels];
    largest = i % pixels == 0 ? x.values[i] : std::max(largest, x.values[i]);
  }
}

void run(const op::LocalResponseNormalization& norm, Inputs inputs, Outputs outputs) {
  const ReferenceTensor& x = *inputs[0];
  const AxisView view(x.shape, 1);
  const auto channels = static_cast<std::int64_t>(view.size);
  const std::int64_t before = (norm.size - 1) / 2;
  for (std::size_t i = 0; i < x.values.size(); ++i) {
    const auto channel = static_cast<std::int64_t>(i / view.inner % view.size);
    const std::int64_t first = std::max<std::int64_t>(channel - before, 0);
    const std::int64_t last = std::min(channel - before + norm.size, channels);
    double squares = 0;
    for (std::int64_t c = first; c < last; ++c) {
      const auto offset =
          static_cast<std::size_t>((c - channel) * static_cast<std::int64_t>(view.inner));
      squares += x.values[i + offset] * x.values[i + offset];
    }
    const double scale = norm.bias + norm.alpha / static_cast<double>(norm.size) * squares;
    outputs[0].values[i] = x.values[i] / std::pow(scale, norm.beta);
  }
}

}  // namespace narrow::reference
