#include "nn/integer/code_array.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "narrow/error.h"
#include "nn/integer/integer_kernels.h"

namespace narrow {
namespace {

constexpr std::int64_t kGreatestByte = std::numeric_limits<std::uint8_t>::max();

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
    std::fill(codes + i + channels, codes + i + stride, static_cast<Code>(array.offset()));
  }
}

// array[place] = value(place in row-major order)
template <typename Value>
void fill(CodeArray& array, const Value& code_of) {
  const auto value = [&](std::size_t i) {
    return static_cast<std::int64_t>(code_of(i)) + array.offset();
  };
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
      for (std::size_t i = 0; i < array.size(); ++i) visit(i, codes[i] - array.offset());
      return;
    }
    for_each_place(
        array.shape(), array.pixels(), array.stride(),
        [&](std::size_t row, std::size_t place) { visit(row, codes[place] - array.offset()); });
  });
}

}  // namespace

integer::CodeBounds bounds_of(const IntegerFormat& format, CodeStorage storage) {
  return {static_cast<float>(format.least), static_cast<float>(format.greatest), storage.offset};
}

CodeWidth width_of(const IntegerFormat& format) {
  const std::int32_t offset = storage_of(format, CodeWidth::kByte).offset;
  if (format.least + offset >= 0 && format.greatest + offset <= kGreatestByte) {
    return CodeWidth::kByte;
  }
  const bool is_short = format.least >= std::numeric_limits<std::int16_t>::min() &&
                        format.greatest <= std::numeric_limits<std::int16_t>::max();
  return is_short ? CodeWidth::kShort : CodeWidth::kLong;
}

CodeStorage storage_of(const IntegerFormat& format, CodeWidth width) {
  if (width != CodeWidth::kByte) return {width, 0};
  const std::int64_t least =
      format.type == DType::kInt8 ? std::numeric_limits<std::int8_t>::min() : 0;
  return {width, static_cast<std::int32_t>(format.zero - least)};
}

std::size_t held_elements(const Shape& sizes) {
  constexpr std::uint64_t kMostElements = std::uint64_t{1} << 40;
  const std::uint64_t count = element_count(sizes);
  if (count > kMostElements) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("a value of {} elements in memory, expected at most 2^40", count));
  }
  return static_cast<std::size_t>(count);
}

CodeArray::CodeArray(Shape shape, CodeLayout layout, CodeStorage storage)
    : shape_(std::move(shape)), layout_(layout), storage_(storage) {
  size_ = held_elements(shape_);
  if (layout_ == CodeLayout::kChannelsLast) {
    stride_ =
        (channels() + integer::kTileChannels - 1) / integer::kTileChannels * integer::kTileChannels;
    size_ = held_elements(
        {shape_[0], static_cast<std::int64_t>(pixels()), static_cast<std::int64_t>(stride_)});
  }
  std::size_t code_size = 0;
  with_code([&]<typename Code>(Code) { code_size = sizeof(Code); });
  bytes_ = std::make_unique_for_overwrite<std::byte[]>(size_ * code_size);
}

std::size_t CodeArray::pixels() const {
  return static_cast<std::size_t>(element_count({shape_.begin() + 2, shape_.end()}));
}

CodeArray CodeArray::as(CodeLayout layout) const {
  CodeArray result(shape_, layout, storage_);
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

CodeArray CodeArray::of(const ReferenceTensor& numbers, CodeLayout layout, CodeStorage storage) {
  CodeArray codes(numbers.shape, layout, storage);
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
                    CodeWidth width) {
  const CodeStorage storage = storage_of(format, width);
  if (width == CodeWidth::kLong) {
    CodeArray codes(shape, usual_layout(shape), storage);
    fill(codes, [&](std::size_t i) { return centered_code(values[i], format); });
    return codes;
  }
  CodeArray rows(shape, CodeLayout::kRowMajor, storage);
  rows.with_code([&]<typename Code>(Code code) {
    if constexpr (sizeof(Code) < sizeof(std::int32_t)) {
      integer::integer_kernels().of(code).quantize(values.data(), values.size(), format.scale,
                                                   bounds_of(format, storage), rows.codes<Code>());
    }
  });
  const bool is_done = usual_layout(shape) == CodeLayout::kRowMajor;
  return is_done ? std::move(rows) : rows.as(CodeLayout::kChannelsLast);
}

}  // namespace narrow
