#include "nn/integer/code_array.h"

#include <algorithm>
#include <utility>

#include "nn/integer/integer_kernels.h"

namespace narrow {
namespace {

constexpr std::size_t kStrideMultiple = 8;

// Calls visit(place in row-major order, place in channels-last order).
template <typename Visit>
void for_each_place(const Shape& shape, std::size_t pixels, std::size_t stride,
                    const Visit& visit) {
  const auto examples = static_cast<std::size_t>(shape[0]);
  const auto channels = static_cast<std::size_t>(shape[1]);
  for (std::size_t n = 0; n < examples; ++n) {
    for (std::size_t c = 0; c < channels; ++c) {
      const std::size_t row = (n * channels + c) * pixels;
      for (std::size_t p = 0; p < pixels; ++p) visit(row + p, (n * pixels + p) * stride + c);
    }
  }
}

template <typename Code>
void clear_rest(CodeArray& array) {
  const std::size_t stride = array.stride();
  const std::size_t channels = array.channels();
  if (array.layout() != CodeLayout::kChannelsLast || channels == stride) return;
  Code* const codes = array.codes<Code>();
  for (std::size_t i = 0; i < array.size(); i += stride) {
    std::fill(codes + i + channels, codes + i + stride, Code());
  }
}

// array[place] = value(place in row-major order)
template <typename Value>
void fill(CodeArray& array, const Value& value) {
  array.with_code([&]<typename Code>(Code) {
    Code* const codes = array.codes<Code>();
    if (array.layout() == CodeLayout::kRowMajor) {
      for (std::size_t i = 0; i < array.size(); ++i) codes[i] = static_cast<Code>(value(i));
      return;
    }
    for_each_place(
        array.shape(), array.pixels(), array.stride(),
        [&](std::size_t from, std::size_t to) { codes[to] = static_cast<Code>(value(from)); });
    clear_rest<Code>(array);
  });
}

// Calls visit(place in row-major order, code).
template <typename Visit>
void for_each_code(const CodeArray& array, const Visit& visit) {
  array.with_code([&]<typename Code>(Code) {
    const Code* const codes = array.codes<Code>();
    if (array.layout() == CodeLayout::kRowMajor) {
      for (std::size_t i = 0; i < array.size(); ++i) visit(i, codes[i]);
      return;
    }
    for_each_place(array.shape(), array.pixels(), array.stride(),
                   [&](std::size_t row, std::size_t place) { visit(row, codes[place]); });
  });
}

}  // namespace

CodeArray::CodeArray(Shape shape, CodeLayout layout, bool is_wide)
    : shape_(std::move(shape)), layout_(layout), is_wide_(is_wide) {
  size_ = static_cast<std::size_t>(element_count(shape_));
  if (layout_ == CodeLayout::kChannelsLast) {
    stride_ = (channels() + kStrideMultiple - 1) / kStrideMultiple * kStrideMultiple;
    size_ = static_cast<std::size_t>(shape_[0]) * pixels() * stride_;
  }
  const std::size_t code_size = is_wide_ ? sizeof(std::int32_t) : sizeof(std::int16_t);
  bytes_ = std::make_unique_for_overwrite<std::byte[]>(size_ * code_size);
}

std::size_t CodeArray::pixels() const {
  return static_cast<std::size_t>(element_count({shape_.begin() + 2, shape_.end()}));
}

CodeArray CodeArray::as(CodeLayout layout) const {
  CodeArray result(shape_, layout, is_wide_);
  with_code([&]<typename Code>(Code) {
    const Code* const from = codes<Code>();
    Code* const to = result.codes<Code>();
    if (layout == layout_) {
      std::copy(from, from + size_, to);
    } else if (layout == CodeLayout::kChannelsLast) {
      for_each_place(shape_, result.pixels(), result.stride(),
                     [&](std::size_t row, std::size_t place) { to[place] = from[row]; });
      clear_rest<Code>(result);
    } else {
      for_each_place(shape_, pixels(), stride_,
                     [&](std::size_t row, std::size_t place) { to[row] = from[place]; });
    }
  });
  return result;
}

CodeArray CodeArray::reshaped(Shape shape) const {
  CodeArray result = as(CodeLayout::kRowMajor);
  result.shape_ = std::move(shape);
  return result;
}

ReferenceTensor CodeArray::as_numbers() const {
  ReferenceTensor numbers = ReferenceTensor::zeros(shape_);
  for_each_code(*this, [&](std::size_t place, std::int64_t code) {
    numbers.values[place] = static_cast<double>(code);
  });
  return numbers;
}

CodeArray CodeArray::of(const ReferenceTensor& numbers, CodeLayout layout, bool is_wide) {
  CodeArray codes(numbers.shape, layout, is_wide);
  fill(codes, [&](std::size_t i) { return numbers.values[i]; });
  return codes;
}

CodeLayout usual_layout(const Shape& shape) {
  return shape.size() == 2 || shape.size() == 4 ? CodeLayout::kChannelsLast : CodeLayout::kRowMajor;
}

ReferenceTensor dequantized(const CodeArray& codes, const IntegerFormat& format) {
  ReferenceTensor numbers = ReferenceTensor::zeros(codes.shape(), DType::kFloat32);
  for_each_code(codes, [&](std::size_t place, std::int64_t code) {
    numbers.values[place] = static_cast<double>(static_cast<float>(code) * format.scale);
  });
  return numbers;
}

ReferenceTensor with_zero_point(const CodeArray& codes, const IntegerFormat& format) {
  ReferenceTensor result = ReferenceTensor::zeros(codes.shape(), format.type);
  for_each_code(codes, [&](std::size_t place, std::int64_t code) {
    result.integers[place] = code + format.zero;
  });
  return result;
}

CodeArray quantized(std::span<const float> values, const Shape& shape, const IntegerFormat& format,
                    bool is_wide) {
  if (!is_wide) {
    CodeArray rows(shape, CodeLayout::kRowMajor, false);
    integer::integer_kernels().quantize(
        values.data(), values.size(), format.scale, static_cast<float>(format.least),
        static_cast<float>(format.greatest), rows.codes<std::int16_t>());
    const bool is_done = usual_layout(shape) == CodeLayout::kRowMajor;
    return is_done ? std::move(rows) : rows.as(CodeLayout::kChannelsLast);
  }
  CodeArray codes(shape, usual_layout(shape), true);
  fill(codes, [&](std::size_t i) { return centered_code(values[i], format); });
  return codes;
}

}  // namespace narrow
