// Codes of a value while a network runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "nn/integer/integer_kernels.h"
#include "nn/integer/quantized_steps.h"
#include "nn/reference/reference_operators.h"

namespace narrow {

// How the elements lie.
enum class CodeLayout : std::uint8_t {
  kRowMajor,
  // Axis 1 runs fastest, filled up to a multiple of 16 with codes that do not count.
  kChannelsLast,
};

// Of 8, 16 or 32 bits. All values of a graph have the same.
enum class CodeWidth : std::uint8_t { kByte, kShort, kLong };

// What stands in memory for a code: the code less its zero point, plus `offset`.
struct CodeStorage {
  CodeWidth width = CodeWidth::kShort;
  std::int32_t offset = 0;  // not 0 for bytes only

  bool operator==(const CodeStorage&) const = default;
};

// The smallest width that holds all codes of the format.
CodeWidth width_of(const IntegerFormat& format);
// In bytes, the codes of a format are those of its type, from the least one on.
CodeStorage storage_of(const IntegerFormat& format, CodeWidth width);

// Of codes that are stored so.
integer::CodeBounds bounds_of(const IntegerFormat& format, CodeStorage storage);

// Of an array in memory with these sizes. Throws Error(kUnsupported) for more than 2^40, what
// element_count throws.
std::size_t held_elements(const Shape& sizes);

class CodeArray {
 public:
  // The elements are not initialized. Throws what held_elements throws.
  CodeArray(Shape shape, CodeLayout layout, CodeStorage storage);

  [[nodiscard]] const Shape& shape() const { return shape_; }
  [[nodiscard]] CodeLayout layout() const { return layout_; }
  [[nodiscard]] CodeStorage storage() const { return storage_; }
  [[nodiscard]] CodeWidth width() const { return storage_.width; }
  [[nodiscard]] std::int32_t offset() const { return storage_.offset; }
  // Elements in memory.
  [[nodiscard]] std::size_t size() const { return size_; }
  // From one pixel to the next of kChannelsLast.
  [[nodiscard]] std::size_t stride() const { return stride_; }
  // Channels, and pixels of one example, of kChannelsLast.
  [[nodiscard]] std::size_t channels() const { return static_cast<std::size_t>(shape_[1]); }
  [[nodiscard]] std::size_t pixels() const;

  // Code is std::uint8_t, std::int16_t or std::int32_t, as the width is.
  template <typename Code>
  [[nodiscard]] Code* codes() {
    return reinterpret_cast<Code*>(bytes_.get());
  }
  template <typename Code>
  [[nodiscard]] const Code* codes() const {
    return reinterpret_cast<const Code*>(bytes_.get());
  }
  // Calls action(Code()).
  template <typename Action>
  void with_code(const Action& action) const {
    switch (storage_.width) {
      case CodeWidth::kByte:
        return action(std::uint8_t());
      case CodeWidth::kShort:
        return action(std::int16_t());
      case CodeWidth::kLong:
        return action(std::int32_t());
    }
  }

  // The same codes otherwise laid out; elements that do not count are 0.
  [[nodiscard]] CodeArray as(CodeLayout layout) const;
  // Of another shape with as many elements, of kRowMajor.
  [[nodiscard]] CodeArray reshaped(Shape shape) const;

  // Row-major, as real numbers, less the offset.
  [[nodiscard]] ReferenceTensor as_numbers() const;
  // From real numbers that are codes.
  static CodeArray of(const ReferenceTensor& numbers, CodeLayout layout, CodeStorage storage);

 private:
  Shape shape_;
  CodeLayout layout_;
  CodeStorage storage_;
  std::size_t stride_ = 0;
  std::size_t size_ = 0;
  std::unique_ptr<std::byte[]> bytes_;
};

// Channels last for images and rows, row-major for everything else.
CodeLayout usual_layout(const Shape& shape);

// The numbers that codes stand for: fl(code * scale), in float32.
ReferenceTensor dequantized(const CodeArray& codes, const IntegerFormat& format);
// Codes as a file or another operator sees them, zero point included.
ReferenceTensor with_zero_point(const CodeArray& codes, const IntegerFormat& format);
// ONNX's QuantizeLinear of row-major numbers.
CodeArray quantized(std::span<const float> values, const Shape& shape, const IntegerFormat& format,
                    CodeWidth width);

}  // namespace narrow
