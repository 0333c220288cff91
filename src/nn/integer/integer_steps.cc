#include "nn/integer/integer_steps.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "graph/dimension_math.h"
#include "nn/integer/integer_kernels.h"
#include "nn/integer/requantization.h"
#include "nn/reference/reference_kernels.h"

namespace narrow {
namespace {

// The shape to which both are broadcast.
Shape broadcast_shape(const Shape& a, const Shape& b) {
  Shape result;
  for (const Dimension& size : broadcast({a.begin(), a.end()}, {b.begin(), b.end()}, "combined")) {
    result.push_back(size.size);
  }
  return result;
}

// y = code_of(a, b) for each element.
template <typename CodeOf>
CodeArray combine(const CodeArray& a, const CodeArray& b, const CodeOf& code_of) {
  if (a.shape() == b.shape() && a.layout() == b.layout()) {
    CodeArray y(a.shape(), a.layout(), a.is_wide());
    y.with_code([&]<typename Code>(Code) {
      const Code* const of_a = a.codes<Code>();
      const Code* const of_b = b.codes<Code>();
      Code* const to = y.codes<Code>();
      for (std::size_t i = 0; i < y.size(); ++i) {
        to[i] = static_cast<Code>(code_of(of_a[i], of_b[i]));
      }
    });
    return y;
  }
  const ReferenceTensor of_a = a.as_numbers();
  const ReferenceTensor of_b = b.as_numbers();
  ReferenceTensor y = ReferenceTensor::zeros(broadcast_shape(a.shape(), b.shape()));
  const ReferenceTensor* const operands[] = {&of_a, &of_b};
  reference::for_each_broadcast(
      y.shape, operands, [&](std::size_t i, const std::vector<std::size_t>& from) {
        y.values[i] = static_cast<double>(code_of(static_cast<std::int64_t>(of_a.values[from[0]]),
                                                  static_cast<std::int64_t>(of_b.values[from[1]])));
      });
  return CodeArray::of(y, usual_layout(y.shape), a.is_wide());
}

// [N, C, H, W] with one element for each channel of an example.
bool is_channel_factor(const Shape& factor, const Shape& of) {
  return of.size() == 4 && factor.size() == 4 && factor[0] == of[0] && factor[1] == of[1] &&
         factor[2] == 1 && factor[3] == 1;
}

// Sums of all pixels.
CodeArray global_mean(const CodeOperand& x, const IntegerFormat& to) {
  const CodeArray& from = *x.codes;
  Shape shape = from.shape();
  std::fill(shape.begin() + 2, shape.end(), 1);
  CodeArray y(shape, CodeLayout::kChannelsLast, from.is_wide());
  const std::size_t pixels = from.pixels();
  const std::size_t stride = from.stride();
  const auto mean = Requantization::of_mean(x.format->scale, static_cast<std::int64_t>(pixels), to);
  from.with_code([&]<typename Code>(Code) {
    std::vector<std::int64_t> sums(stride);
    for (std::size_t n = 0; n < static_cast<std::size_t>(shape[0]); ++n) {
      std::ranges::fill(sums, 0);
      const Code* at = from.codes<Code>() + n * pixels * stride;
      for (std::size_t p = 0; p < pixels; ++p, at += stride) {
        for (std::size_t c = 0; c < stride; ++c) sums[c] += at[c];
      }
      for (std::size_t c = 0; c < stride; ++c) {
        y.codes<Code>()[n * stride + c] = static_cast<Code>(mean(sums[c], 0));
      }
    }
  });
  return y;
}

// Sums by the reference operator, counts by itself on ones.
CodeArray window_mean(const op::AveragePool& pool, const CodeOperand& x, const IntegerFormat& to) {
  const ReferenceTensor codes = x.codes->as_numbers();
  ReferenceTensor ones = codes;
  std::ranges::fill(ones.values, 1.0);
  double window = 1;
  for (const std::int64_t size : pool.window.kernel) window *= static_cast<double>(size);
  // The mean over the whole window of ones is the share of it that lies in the image.
  op::AveragePool whole = pool;
  whole.count_include_pad = true;
  const ReferenceTensor* const of_codes[] = {&codes};
  const ReferenceTensor* const of_ones[] = {&ones};
  ReferenceTensor mean = run_operator(whole, of_codes);
  const ReferenceTensor share = run_operator(whole, of_ones);
  std::map<std::int64_t, Requantization> means;  // by the number of elements
  for (std::size_t i = 0; i < mean.values.size(); ++i) {
    const auto sum = std::llrint(mean.values[i] * window);
    const auto count = std::llrint(pool.count_include_pad ? window : share.values[i] * window);
    auto known = means.find(count);
    if (known == means.end()) {
      const auto made = Requantization::of_mean(x.format->scale, count, to);
      known = means.emplace(count, made).first;
    }
    mean.values[i] = static_cast<double>(known->second(sum, 0));
  }
  return CodeArray::of(mean, usual_layout(mean.shape), x.codes->is_wide());
}

// The largest code of each window that lies in the image, channels last; `least` where none does.
template <typename Code>
void max_pool(const op::MaxPool& pool, const CodeArray& x, Code least, CodeArray& y) {
  const auto height = static_cast<std::int64_t>(x.shape()[2]);
  const auto width = static_cast<std::int64_t>(x.shape()[3]);
  const WindowPlaces rows = window_places(pool.window, 0, height, pool.ceil_mode);
  const WindowPlaces columns = window_places(pool.window, 1, width, pool.ceil_mode);
  const auto stride = static_cast<std::int64_t>(x.stride());
  for (std::int64_t n = 0; n < x.shape()[0]; ++n) {
    const Code* const image = x.codes<Code>() + n * height * width * stride;
    for (std::int64_t i = 0; i < rows.count * columns.count; ++i) {
      Code* const to = y.codes<Code>() + (n * rows.count * columns.count + i) * stride;
      std::fill(to, to + stride, least);
      for (std::int64_t ky = 0; ky < pool.window.kernel[0]; ++ky) {
        const std::int64_t row = i / columns.count * pool.window.strides[0] +
                                 ky * pool.window.dilations[0] - rows.before;
        if (row < 0 || row >= height) continue;
        for (std::int64_t kx = 0; kx < pool.window.kernel[1]; ++kx) {
          const std::int64_t column = i % columns.count * pool.window.strides[1] +
                                      kx * pool.window.dilations[1] - columns.before;
          if (column < 0 || column >= width) continue;
          const Code* const from = image + (row * width + column) * stride;
          for (std::int64_t c = 0; c < stride; ++c) to[c] = std::max(to[c], from[c]);
        }
      }
    }
  }
}

// Along the channels.
CodeArray concatenate_channels(std::span<const CodeOperand> x) {
  Shape shape = x.front().codes->shape();
  shape[1] = 0;
  for (const CodeOperand& operand : x) shape[1] += operand.codes->shape()[1];
  CodeArray y(shape, CodeLayout::kChannelsLast, x.front().codes->is_wide());
  y.with_code([&]<typename Code>(Code) {
    const std::size_t pixels = y.stride() == 0 ? 0 : y.size() / y.stride();
    for (std::size_t p = 0; p < pixels; ++p) {
      Code* to = y.codes<Code>() + p * y.stride();
      Code* const end = to + y.stride();
      for (const CodeOperand& operand : x) {
        const CodeArray& from = *operand.codes;
        to = std::copy_n(from.codes<Code>() + p * from.stride(), from.channels(), to);
      }
      std::fill(to, end, Code());
    }
  });
  return y;
}

ReferenceTensor matrix_sums(const CodeOperand& a, const CodeOperand& b) {
  const ReferenceTensor of_a = a.codes->as_numbers();
  const ReferenceTensor of_b = b.codes->as_numbers();
  const ReferenceTensor* const operands[] = {&of_a, &of_b};
  return run_operator(op::MatMul{}, operands);
}

}  // namespace

CodeArray add_codes(const CodeOperand& a, const CodeOperand& b, const IntegerFormat& y) {
  const CodeArray& of_a = *a.codes;
  const CodeArray& of_b = *b.codes;
  const bool is_float = y.arithmetic.mode == RequantizationMode::kFloat;
  if (is_float && !of_a.is_wide() && of_a.shape() == of_b.shape() &&
      of_a.layout() == of_b.layout()) {
    CodeArray sum(of_a.shape(), of_a.layout(), false);
    const float scales[] = {a.format->scale, b.format->scale, y.scale};
    integer::integer_kernels().add(of_a.codes<std::int16_t>(), of_b.codes<std::int16_t>(),
                                   sum.size(), scales, static_cast<float>(y.least),
                                   static_cast<float>(y.greatest), sum.codes<std::int16_t>());
    return sum;
  }
  return combine(of_a, of_b, AddedCodes(*a.format, *b.format, y));
}

CodeArray multiply_codes(const CodeOperand& a, const CodeOperand& b, const IntegerFormat& y) {
  const Requantization requantize(a.format->scale, {b.format->scale}, y);
  const auto code_of = [&](std::int64_t code_a, std::int64_t code_b) {
    return requantize(code_a * code_b, 0);
  };
  const bool a_is_factor = is_channel_factor(a.codes->shape(), b.codes->shape());
  const CodeArray& image = a_is_factor ? *b.codes : *a.codes;
  const CodeArray& factors = a_is_factor ? *a.codes : *b.codes;
  const bool has_factors = a_is_factor || is_channel_factor(b.codes->shape(), a.codes->shape());
  if (!has_factors || image.layout() != CodeLayout::kChannelsLast ||
      factors.layout() != CodeLayout::kChannelsLast) {
    return combine(*a.codes, *b.codes, code_of);
  }
  CodeArray product(image.shape(), CodeLayout::kChannelsLast, image.is_wide());
  product.with_code([&]<typename Code>(Code) {
    const std::size_t stride = image.stride();
    const std::size_t pixels = image.pixels();
    for (std::size_t i = 0; i < product.size(); ++i) {
      const std::size_t example = i / (pixels * stride);
      product.codes<Code>()[i] = static_cast<Code>(
          code_of(image.codes<Code>()[i], factors.codes<Code>()[example * stride + i % stride]));
    }
  });
  return product;
}

CodeArray mean_codes(const Attributes& pool, const CodeOperand& x, const IntegerFormat& y) {
  if (const auto* const windows = std::get_if<op::AveragePool>(&pool)) {
    return window_mean(*windows, x, y);
  }
  if (x.codes->layout() == CodeLayout::kChannelsLast) return global_mean(x, y);
  const CodeArray image = x.codes->as(CodeLayout::kChannelsLast);
  return global_mean({&image, x.format}, y);
}

ReferenceTensor multiply_matrices(const CodeOperand& a, const CodeOperand& b) {
  ReferenceTensor sums = matrix_sums(a, b);
  const float unit = a.format->scale * b.format->scale;
  sums.type = DType::kFloat32;
  for (double& sum : sums.values) {
    sum = static_cast<double>(static_cast<float>(static_cast<std::int64_t>(sum)) * unit);
  }
  return sums;
}

CodeArray multiply_matrices(const CodeOperand& a, const CodeOperand& b, const IntegerFormat& y) {
  ReferenceTensor sums = matrix_sums(a, b);
  const Requantization requantize(a.format->scale, {b.format->scale}, y);
  for (double& sum : sums.values) {
    sum = static_cast<double>(requantize(static_cast<std::int64_t>(sum), 0));
  }
  return CodeArray::of(sums, usual_layout(sums.shape), a.codes->is_wide());
}

CodeArray look_up(const CodeTable& table, const CodeOperand& x, bool is_wide) {
  CodeArray y(x.codes->shape(), x.codes->layout(), is_wide);
  const auto first = static_cast<std::ptrdiff_t>(x.format->least);
  y.with_code([&]<typename Code>(Code) {
    const Code* const from = x.codes->codes<Code>();
    Code* const to = y.codes<Code>();
    for (std::size_t i = 0; i < y.size(); ++i) {
      to[i] = static_cast<Code>(table[static_cast<std::size_t>(from[i] - first)]);
    }
  });
  return y;
}

CodeArray move_codes(const Node& node, std::span<const CodeOperand> x,
                     std::span<const ReferenceTensor* const> further) {
  const CodeArray& first = *x.front().codes;
  const auto is_image = [](const CodeOperand& operand) {
    return operand.codes->layout() == CodeLayout::kChannelsLast &&
           operand.codes->shape().size() == 4;
  };
  const auto* const pool = std::get_if<op::MaxPool>(&node.attributes);
  if (pool != nullptr && is_image(x.front()) && pool->window.rank() == 2) {
    Shape shape = first.shape();
    for (const std::size_t axis : {0, 1}) {
      shape[axis + 2] = window_places(pool->window, axis, shape[axis + 2], pool->ceil_mode).count;
    }
    CodeArray largest(shape, CodeLayout::kChannelsLast, first.is_wide());
    first.with_code([&]<typename Code>(Code) {
      max_pool(*pool, first, static_cast<Code>(x.front().format->least), largest);
    });
    return largest;
  }
  const auto* const concat = std::get_if<op::Concat>(&node.attributes);
  const auto fits_first = [&](const CodeOperand& operand) {
    if (!is_image(operand)) return false;
    Shape shape = operand.codes->shape();
    shape[1] = first.shape()[1];
    return shape == first.shape();
  };
  const bool is_by_channel = concat != nullptr && (concat->axis == 1 || concat->axis == -3) &&
                             std::ranges::all_of(x, fits_first);
  if (is_by_channel) return concatenate_channels(x);
  std::vector<ReferenceTensor> numbers;
  for (const CodeOperand& operand : x) numbers.push_back(operand.codes->as_numbers());
  std::vector<const ReferenceTensor*> inputs(further.begin(), further.end());
  for (std::size_t i = 0; i < numbers.size(); ++i) inputs[i] = &numbers[i];
  const ReferenceTensor moved = run_operator(node.attributes, inputs);
  return CodeArray::of(moved, usual_layout(moved.shape), first.is_wide());
}

}  // namespace narrow
