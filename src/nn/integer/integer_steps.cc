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
CodeArray combine(const CodeArray& a, const CodeArray& b, CodeStorage storage,
                  const CodeOf& code_of) {
  const auto code = [](auto stored, const CodeArray& array) {
    return static_cast<std::int64_t>(stored) - array.offset();
  };
  if (a.shape() == b.shape() && a.layout() == b.layout()) {
    CodeArray y(a.shape(), a.layout(), storage);
    y.with_code([&]<typename Code>(Code) {
      const Code* const of_a = a.codes<Code>();
      const Code* const of_b = b.codes<Code>();
      Code* const to = y.codes<Code>();
      for (std::size_t i = 0; i < y.size(); ++i) {
        to[i] = static_cast<Code>(code_of(code(of_a[i], a), code(of_b[i], b)) + storage.offset);
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
  return CodeArray::of(y, usual_layout(y.shape), storage);
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
  const CodeStorage storage = storage_of(to, from.width());
  CodeArray y(shape, CodeLayout::kChannelsLast, storage);
  const std::size_t pixels = from.pixels();
  const std::size_t stride = from.stride();
  const auto mean = Requantization::of_mean(*x.format, static_cast<std::int64_t>(pixels), to);
  from.with_code([&]<typename Code>(Code) {
    std::vector<std::int64_t> sums(stride);
    for (std::size_t n = 0; n < static_cast<std::size_t>(shape[0]); ++n) {
      std::ranges::fill(sums, -static_cast<std::int64_t>(pixels) * from.offset());
      const Code* at = from.codes<Code>() + n * pixels * stride;
      for (std::size_t p = 0; p < pixels; ++p, at += stride) {
        for (std::size_t c = 0; c < stride; ++c) sums[c] += at[c];
      }
      for (std::size_t c = 0; c < stride; ++c) {
        y.codes<Code>()[n * stride + c] = static_cast<Code>(mean(sums[c], 0) + storage.offset);
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
      const auto made = Requantization::of_mean(*x.format, count, to);
      known = means.emplace(count, made).first;
    }
    mean.values[i] = static_cast<double>(known->second(sum, 0));
  }
  return CodeArray::of(mean, usual_layout(mean.shape), storage_of(to, x.codes->width()));
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
  CodeArray y(shape, CodeLayout::kChannelsLast, x.front().codes->storage());
  y.with_code([&]<typename Code>(Code) {
    const std::size_t pixels = y.stride() == 0 ? 0 : y.size() / y.stride();
    for (std::size_t p = 0; p < pixels; ++p) {
      Code* to = y.codes<Code>() + p * y.stride();
      Code* const end = to + y.stride();
      for (const CodeOperand& operand : x) {
        const CodeArray& from = *operand.codes;
        to = std::copy_n(from.codes<Code>() + p * from.stride(), from.channels(), to);
      }
      std::fill(to, end, static_cast<Code>(y.offset()));
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
  const CodeStorage storage = storage_of(y, of_a.width());
  const bool is_float = y.arithmetic.mode == RequantizationMode::kFloat;
  if (is_float && of_a.width() != CodeWidth::kLong && of_a.shape() == of_b.shape() &&
      of_a.layout() == of_b.layout()) {
    CodeArray sum(of_a.shape(), of_a.layout(), storage);
    const integer::AddOperands operands = {a.format->scale, b.format->scale, y.scale, of_a.offset(),
                                           of_b.offset()};
    sum.with_code([&]<typename Code>(Code code) {
      if constexpr (sizeof(Code) < sizeof(std::int32_t)) {
        integer::integer_kernels().of(code).add(of_a.codes<Code>(), of_b.codes<Code>(), sum.size(),
                                                operands, bounds_of(y, storage), sum.codes<Code>());
      }
    });
    return sum;
  }
  return combine(of_a, of_b, storage, AddedCodes(*a.format, *b.format, y));
}

CodeArray multiply_codes(const CodeOperand& a, const CodeOperand& b, const IntegerFormat& y) {
  const Requantization requantize(a.format->scale, {b.format->scale}, y);
  const CodeStorage storage = storage_of(y, a.codes->width());
  const auto code_of = [&](std::int64_t code_a, std::int64_t code_b) {
    return requantize(code_a * code_b, 0);
  };
  const bool a_is_factor = is_channel_factor(a.codes->shape(), b.codes->shape());
  const CodeArray& image = a_is_factor ? *b.codes : *a.codes;
  const CodeArray& factors = a_is_factor ? *a.codes : *b.codes;
  const bool has_factors = a_is_factor || is_channel_factor(b.codes->shape(), a.codes->shape());
  if (!has_factors || image.layout() != CodeLayout::kChannelsLast ||
      factors.layout() != CodeLayout::kChannelsLast) {
    return combine(*a.codes, *b.codes, storage, code_of);
  }
  CodeArray product(image.shape(), CodeLayout::kChannelsLast, storage);
  product.with_code([&]<typename Code>(Code) {
    const std::size_t stride = image.stride();
    const std::size_t pixels = image.pixels();
    const Code* from = image.codes<Code>();
    Code* to = product.codes<Code>();
    for (std::size_t i = 0; stride != 0 && i < product.size() / stride; ++i) {
      const Code* const by = factors.codes<Code>() + i / pixels * stride;
      for (std::size_t c = 0; c < stride; ++c) {
        const std::int64_t code =
            code_of(std::int64_t{from[c]} - image.offset(), std::int64_t{by[c]} - factors.offset());
        to[c] = static_cast<Code>(code + storage.offset);
      }
      from += stride;
      to += stride;
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
  const auto terms = static_cast<double>(a.codes->shape().back());
  const auto product = static_cast<double>(a.format->magnitude() * b.format->magnitude());
  check_multiplied(product * terms, "sums", y);
  ReferenceTensor sums = matrix_sums(a, b);
  const Requantization requantize(a.format->scale, {b.format->scale}, y);
  for (double& sum : sums.values) {
    sum = static_cast<double>(requantize(static_cast<std::int64_t>(sum), 0));
  }
  return CodeArray::of(sums, usual_layout(sums.shape), storage_of(y, a.codes->width()));
}

CodeArray look_up(const CodeTable& table, const CodeOperand& x, const IntegerFormat& y) {
  const CodeStorage storage = storage_of(y, x.codes->width());
  CodeArray result(x.codes->shape(), x.codes->layout(), storage);
  const std::int64_t first = x.format->least + x.codes->offset();
  result.with_code([&]<typename Code>(Code) {
    std::vector<Code> stored(table.size());
    for (std::size_t i = 0; i < table.size(); ++i) {
      stored[i] = static_cast<Code>(table[i] + storage.offset);
    }
    const Code* const from = x.codes->codes<Code>();
    Code* const to = result.codes<Code>();
    for (std::size_t i = 0; i < result.size(); ++i) {
      to[i] = stored[static_cast<std::size_t>(from[i] - first)];
    }
  });
  return result;
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
    CodeArray largest(shape, CodeLayout::kChannelsLast, first.storage());
    first.with_code([&]<typename Code>(Code) {
      const std::int64_t least = x.front().format->least + first.offset();
      max_pool(*pool, first, static_cast<Code>(least), largest);
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
  return CodeArray::of(moved, usual_layout(moved.shape), first.storage());
}

}  // namespace narrow
