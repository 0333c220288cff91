// Normalizations.
#include <algorithm>
#include <cmath>

#include "nn/reference/reference_kernels.h"

namespace narrow::reference {
namespace {

// The biased variance.
struct Moments {
  double mean = 0;
  double variance = 0;
};

Moments moments_of_channel(const ReferenceTensor& x, std::int64_t channel) {
  const std::int64_t channels = x.shape[1];
  const auto pixels = static_cast<std::int64_t>(count_of(pixel_sizes(x.shape)));
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
  Moments moments;
  moments.mean = sum([](double value) { return value; }) / count;
  moments.variance = sum([&](double value) { return std::pow(value - moments.mean, 2); }) / count;
  return moments;
}

Moments moments_of(std::span<const double> values) {
  Moments moments;
  for (const double value : values) moments.mean += value;
  moments.mean /= static_cast<double>(values.size());
  for (const double value : values) moments.variance += std::pow(value - moments.mean, 2);
  moments.variance /= static_cast<double>(values.size());
  return moments;
}

// Each run of `count` elements by itself, then scale and shift of the channel.
void normalize_groups(std::size_t count, double epsilon, Inputs inputs, ReferenceTensor& y) {
  const ReferenceTensor& x = *inputs[0];
  const auto channels = static_cast<std::size_t>(x.shape[1]);
  const std::size_t pixels = count_of(pixel_sizes(x.shape));
  for (std::size_t begin = 0; begin < x.values.size(); begin += count) {
    const Moments moments = moments_of(std::span(x.values).subspan(begin, count));
    const double deviation = std::sqrt(moments.variance + epsilon);
    for (std::size_t i = begin; i < begin + count; ++i) {
      const std::size_t channel = i / pixels % channels;
      y.values[i] = inputs[1]->values[channel] * (x.values[i] - moments.mean) / deviation +
                    inputs[2]->values[channel];
    }
  }
}

// Multiplies by the second input and adds the third.
void scale_and_shift(Inputs inputs, ReferenceTensor& y) {
  for (std::size_t k = 1; k < inputs.size(); ++k) {
    if (inputs[k] == nullptr) continue;
    for_each_broadcast(y.shape, inputs.subspan(k, 1),
                       [&](std::size_t i, const std::vector<std::size_t>& from) {
                         const double parameter = inputs[k]->values[from[0]];
                         y.values[i] = k == 1 ? y.values[i] * parameter : y.values[i] + parameter;
                       });
  }
}

}  // namespace

void run(const op::BatchNormalization& norm, Inputs inputs, Outputs outputs) {
  ReferenceTensor& y = outputs[0];
  y.values = inputs[0]->values;
  const std::int64_t channels = y.shape[1];
  const auto pixels = static_cast<std::int64_t>(count_of(pixel_sizes(y.shape)));
  for (std::int64_t c = 0; c < channels; ++c) {
    const auto channel = static_cast<std::size_t>(c);
    const auto parameter = [&](std::size_t input) { return inputs[input]->values[channel]; };
    Moments moments = {parameter(3), parameter(4)};
    if (norm.training_mode) {
      moments = moments_of_channel(*inputs[0], c);
      const auto average = [&](double old, double now) {
        return old * norm.momentum + now * (1 - norm.momentum);
      };
      outputs[1].values[channel] = average(parameter(3), moments.mean);
      outputs[2].values[channel] = average(parameter(4), moments.variance);
    }
    const double deviation = std::sqrt(moments.variance + norm.epsilon);
    for (std::int64_t image = 0; image < y.shape[0]; ++image) {
      for (std::int64_t i = 0; i < pixels; ++i) {
        double& value = y.values[static_cast<std::size_t>((image * channels + c) * pixels + i)];
        value = parameter(1) * (value - moments.mean) / deviation + parameter(2);
      }
    }
  }
}

void run(const op::InstanceNormalization& norm, Inputs inputs, Outputs outputs) {
  normalize_groups(count_of(pixel_sizes(inputs[0]->shape)), norm.epsilon, inputs, outputs[0]);
}

void run(const op::GroupNormalization& norm, Inputs inputs, Outputs outputs) {
  const Shape& x = inputs[0]->shape;
  normalize_groups(count_of(std::span(x).subspan(1)) / static_cast<std::size_t>(norm.groups),
                   norm.epsilon, inputs, outputs[0]);
}

void run(const op::LayerNormalization& norm, Inputs inputs, Outputs outputs) {
  const ReferenceTensor& x = *inputs[0];
  ReferenceTensor& y = outputs[0];
  const AxisView view = AxisView::from(x.shape, norm.axis);
  for (std::size_t row = 0; row < view.outer && view.size > 0; ++row) {
    const std::size_t begin = row * view.size;
    const Moments moments = moments_of(std::span(x.values).subspan(begin, view.size));
    const double inverse = 1 / std::sqrt(moments.variance + norm.epsilon);
    for (std::size_t i = begin; i < begin + view.size; ++i) {
      y.values[i] = (x.values[i] - moments.mean) * inverse;
    }
    outputs[1].values[row] = moments.mean;
    outputs[2].values[row] = inverse;
  }
  scale_and_shift(inputs, y);
}

void run(const op::RmsNormalization& norm, Inputs inputs, Outputs outputs) {
  const ReferenceTensor& x = *inputs[0];
  const AxisView view = AxisView::from(x.shape, norm.axis);
  for (std::size_t row = 0; row < view.outer; ++row) {
    double squares = 0;
    for (std::size_t i = 0; i < view.size; ++i)
      squares += std::pow(x.values[row * view.size + i], 2);
    const double root = std::sqrt(squares / static_cast<double>(view.size) + norm.epsilon);
    for (std::size_t i = 0; i < view.size; ++i) {
      outputs[0].values[row * view.size + i] = x.values[row * view.size + i] / root;
    }
  }
  scale_and_shift(inputs, outputs[0]);
}

void run(const op::Softmax& softmax, Inputs inputs, Outputs outputs) {
  const std::vector<double>& x = inputs[0]->values;
  const AxisView view(inputs[0]->shape, softmax.axis);
  for (std::size_t line = 0; line < view.outer * view.inner && view.size > 0; ++line) {
    const std::size_t first = view.at(line / view.inner, 0, line % view.inner);
    double largest = x[first];
    for (std::size_t i = 1; i < view.size; ++i)
      largest = std::max(largest, x[first + i * view.inner]);
    double sum = 0;
    for (std::size_t i = 0; i < view.size; ++i)
      sum += std::exp(x[first + i * view.inner] - largest);
    for (std::size_t i = 0; i < view.size; ++i) {
      const double shifted = x[first + i * view.inner] - largest;
      outputs[0].values[first + i * view.inner] =
          softmax.logarithm ? shifted - std::log(sum) : std::exp(shifted) / sum;
    }
  }
}

void run(const op::Hardmax& hardmax, Inputs inputs, Outputs outputs) {
  const std::vector<double>& x = inputs[0]->values;
  const AxisView view(inputs[0]->shape, hardmax.axis);
  for (std::size_t line = 0; line < view.outer * view.inner && view.size > 0; ++line) {
    const std::size_t first = view.at(line / view.inner, 0, line % view.inner);
    std::size_t best = first;
    for (std::size_t i = 1; i < view.size; ++i) {
      if (x[first + i * view.inner] > x[best]) best = first + i * view.inner;
    }
    outputs[0].values[best] = 1;
  }
}

void run(const op::LpNormalization& norm, Inputs inputs, Outputs outputs) {
  const std::vector<double>& x = inputs[0]->values;
  const AxisView view(inputs[0]->shape, norm.axis);
  for (std::size_t line = 0; line < view.outer * view.inner; ++line) {
    const std::size_t first = view.at(line / view.inner, 0, line % view.inner);
    double sum = 0;
    for (std::size_t i = 0; i < view.size; ++i) {
      const double value = x[first + i * view.inner];
      sum += norm.p == 1 ? std::abs(value) : value * value;
    }
    const double length = norm.p == 1 ? sum : std::sqrt(sum);
    for (std::size_t i = 0; i < view.size; ++i) {
      outputs[0].values[first + i * view.inner] = x[first + i * view.inner] / length;
    }
  }
}

}  // namespace narrow::reference
