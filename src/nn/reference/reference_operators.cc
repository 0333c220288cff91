#include "nn/reference/reference_operators.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <variant>

#include "graph/operators.h"

namespace narrow {
namespace {

using Inputs = std::span<const ReferenceTensor* const>;

std::int64_t product(std::span<const std::int64_t> sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), std::int64_t{1}, std::multiplies<>());
}

// All axes but batch and channels.
std::span<const std::int64_t> pixel_sizes(const Shape& shape) {
  return std::span(shape).subspan(2);
}

Shape result_shape(const Attributes& attributes, Inputs inputs) {
  std::vector<Dimensions> known;
  for (const ReferenceTensor* input : inputs) {
    const Shape shape = input == nullptr ? Shape() : input->shape;
    known.emplace_back(shape.begin(), shape.end());
  }
  std::vector<const Dimensions*> dimensions;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    dimensions.push_back(inputs[i] == nullptr ? nullptr : &known[i]);
  }
  Shape shape;
  for (const Dimension& dimension : operator_of(attributes).result(attributes, dimensions)) {
    shape.push_back(dimension.size);
  }
  return shape;
}

// The indices of a row-major array, the last running fastest.
class Indices {
 public:
  explicit Indices(std::span<const std::int64_t> sizes) : sizes_(sizes), now_(sizes.size(), 0) {}
  [[nodiscard]] const std::vector<std::int64_t>& operator*() const { return now_; }
  void next() {
    for (std::size_t axis = now_.size(); axis-- > 0;) {
      if (++now_[axis] < sizes_[axis]) return;
      now_[axis] = 0;
    }
  }

 private:
  std::span<const std::int64_t> sizes_;
  std::vector<std::int64_t> now_;
};

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
  const std::int64_t count = product(window.kernel);
  found.reserve(static_cast<std::size_t>(count));
  for (std::int64_t tap = 0; tap < count; ++tap, taps.next()) {
    std::int64_t pixel = 0;
    bool inside = true;
    for (std::size_t axis = 0; axis < window.rank(); ++axis) {
      const std::int64_t position = place[axis] * window.strides[axis] - before[axis] +
                                    (*taps)[axis] * window.dilations[axis];
      inside = inside && position >= 0 && position < sizes[axis];
      pixel = pixel * sizes[axis] + position;
    }
    if (!inside) continue;
    found.push_back({static_cast<std::size_t>(tap), static_cast<std::size_t>(pixel)});
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
  const std::int64_t count = product(pixel_sizes(y));
  for (std::int64_t i = 0; i < count; ++i, place.next()) {
    taps.push_back(taps_at(*place, window, sizes, before));
  }
  return taps;
}

// Weights [out, in / group, kernel...] as [tap][in / group][out], so that the innermost loop of a
// convolution runs over numbers that lie side by side.
std::vector<double> outputs_last(const ReferenceTensor& weights) {
  const auto outputs = static_cast<std::size_t>(weights.shape[0]);
  const auto inputs = static_cast<std::size_t>(weights.shape[1]);
  const auto taps = static_cast<std::size_t>(product(pixel_sizes(weights.shape)));
  std::vector<double> result(weights.values.size());
  for (std::size_t i = 0; i < result.size(); ++i) {
    const std::size_t output = i / (inputs * taps);
    const std::size_t input = i / taps % inputs;
    result[(i % taps * inputs + input) * outputs + output] = weights.values[i];
  }
  return result;
}

ReferenceTensor run(const op::Conv& conv, Inputs inputs) {
  const ReferenceTensor& x = *inputs[0];
  const ReferenceTensor* const biases = inputs.size() > 2 ? inputs[2] : nullptr;
  ReferenceTensor y = ReferenceTensor::zeros(result_shape(conv, inputs));
  const auto taps = taps_by_pixel(conv.window, x.shape, y.shape, false);
  const std::vector<double> weights = outputs_last(*inputs[1]);
  const auto images = static_cast<std::size_t>(y.shape[0]);
  const auto groups = static_cast<std::size_t>(conv.group);
  const auto outputs = static_cast<std::size_t>(y.shape[1]);
  const std::size_t group_outputs = outputs / groups;
  const auto group_inputs = static_cast<std::size_t>(inputs[1]->shape[1]);
  const auto in_pixels = static_cast<std::size_t>(product(pixel_sizes(x.shape)));
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
              weights.data() + (tap * group_inputs + input) * outputs + first_output;
          for (std::size_t c = 0; c < group_outputs; ++c) sums[c] += row[c] * value;
        }
      }
      for (std::size_t c = 0; c < group_outputs; ++c) to[c * taps.size() + i] = sums[c];
    }
  }
  return y;
}

// The biased variance, as training_mode uses it.
struct ChannelMoments {
  double mean = 0;
  double variance = 0;
};

ChannelMoments moments_of(const ReferenceTensor& x, std::int64_t channel) {
  const std::int64_t channels = x.shape[1];
  const std::int64_t pixels = product(pixel_sizes(x.shape));
  const auto count = static_cast<double>(x.shape[0] * pixels);
  const auto sum = [&](const auto& term) {
    double total = 0;
    for (std::int64_t image = 0; image < x.shape[0]; ++image) {
      for (std::int64_t i = 0; i < pixels; ++i) {
        total +=
            term(x.values[static_cast<std::size_t>((image * channels + channel) * pixels + i)]);
      }
    }
    return total;
  };
  ChannelMoments moments;
  moments.mean = sum([](double value) { return value; }) / count;
  moments.variance = sum([&](double value) { return std::pow(value - moments.mean, 2); }) / count;
  return moments;
}

ReferenceTensor run(const op::BatchNormalization& norm, Inputs inputs) {
  ReferenceTensor y = *inputs[0];
  const std::int64_t channels = y.shape[1];
  const std::int64_t pixels = product(pixel_sizes(y.shape));
  for (std::int64_t c = 0; c < channels; ++c) {
    const auto parameter = [&](std::size_t input) {
      return inputs[input]->values[static_cast<std::size_t>(c)];
    };
    ChannelMoments moments = {parameter(3), parameter(4)};
    if (norm.training_mode) moments = moments_of(*inputs[0], c);
    const double deviation = std::sqrt(moments.variance + norm.epsilon);
    for (std::int64_t image = 0; image < y.shape[0]; ++image) {
      for (std::int64_t i = 0; i < pixels; ++i) {
        double& value = y.values[static_cast<std::size_t>((image * channels + c) * pixels + i)];
        value = parameter(1) * (value - moments.mean) / deviation + parameter(2);
      }
    }
  }
  return y;
}

ReferenceTensor run(const op::Relu& /*relu*/, Inputs inputs) {
  ReferenceTensor y = *inputs[0];
  for (double& value : y.values) value = std::max(value, 0.0);
  return y;
}

ReferenceTensor run(const op::Add& add, Inputs inputs) {
  ReferenceTensor y = ReferenceTensor::zeros(result_shape(add, inputs));
  // The element of an operand that is added at a place of the result.
  const auto element = [](const ReferenceTensor& x, const std::vector<std::int64_t>& place) {
    const std::size_t ahead = place.size() - x.shape.size();
    std::int64_t index = 0;
    for (std::size_t axis = 0; axis < x.shape.size(); ++axis) {
      index = index * x.shape[axis] + (x.shape[axis] == 1 ? 0 : place[ahead + axis]);
    }
    return x.values[static_cast<std::size_t>(index)];
  };
  Indices place(y.shape);
  for (double& value : y.values) {
    value = element(*inputs[0], *place) + element(*inputs[1], *place);
    place.next();
  }
  return y;
}

ReferenceTensor run(const op::MaxPool& pool, Inputs inputs) {
  const ReferenceTensor& x = *inputs[0];
  ReferenceTensor y = ReferenceTensor::zeros(result_shape(pool, inputs));
  const auto taps = taps_by_pixel(pool.window, x.shape, y.shape, pool.ceil_mode);
  const auto in_pixels = static_cast<std::size_t>(product(pixel_sizes(x.shape)));
  for (std::size_t i = 0; i < y.values.size(); ++i) {
    const std::size_t plane = i / taps.size();
    double largest = -std::numeric_limits<double>::infinity();
    for (const TapPixel& tap : taps[i % taps.size()]) {
      largest = std::max(largest, x.values[plane * in_pixels + tap.pixel]);
    }
    y.values[i] = largest;
  }
  return y;
}

ReferenceTensor run(const op::GlobalAveragePool& pool, Inputs inputs) {
  const ReferenceTensor& x = *inputs[0];
  ReferenceTensor y = ReferenceTensor::zeros(result_shape(pool, inputs));
  const auto pixels = static_cast<std::size_t>(product(pixel_sizes(x.shape)));
  for (std::size_t i = 0; i < x.values.size(); ++i) y.values[i / pixels] += x.values[i];
  for (double& value : y.values) value /= static_cast<double>(pixels);
  return y;
}

ReferenceTensor run(const op::Flatten& flatten, Inputs inputs) {
  return {result_shape(flatten, inputs), inputs[0]->values};
}

}  // namespace

ReferenceTensor ReferenceTensor::zeros(Shape shape) {
  const auto count = static_cast<std::size_t>(element_count(shape));
  return {std::move(shape), std::vector<double>(count)};
}

ReferenceTensor run_operator(const Attributes& attributes, Inputs inputs) {
  return std::visit([&](const auto& attribute) { return run(attribute, inputs); }, attributes);
}

}  // namespace narrow
