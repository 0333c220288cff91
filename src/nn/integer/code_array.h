// Codes of a value while a network runs, less their zero point.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "nn/integer/quantized_steps.h"
#include "nn/reference/reference_operators.h"

namespace narrow {

// How the elements lie.
enum class CodeLayout : std::uint8_t {
  kRowMajor,
  // Axis 1 runs fastest, filled up to a multiple of 8 with codes that do not count.
  kChannelsLast,
};

// Codes of 16 bits or, where formats need them, of 32.
class CodeArray {
 public:
  // The elements are not initialized.
  CodeArray(Shape shape, CodeLayout layout, bool is_wide);

  [[nodiscard]] const Shape& shape() const { return shape_; }
  [[nodiscard]] CodeLayout layout() const { return layout_; }
  [[nodiscard]] bool is_wide() const { return is_wide_; }
  // Elements in memory.
  [[nodiscard]] std::size_t size() const { return size_; }
  // From one pixel to the next of kChannelsLast.
  [[nodiscard]] std::size_t stride() const { return stride_; }
  // Channels, and pixels of one example, of kChannelsLast.
  [[nodiscard]] std::size_t channels() const { return static_cast<std::size_t>(shape_[1]); }
  [[nodiscard]] std::size_t pixels() const;

  // Code is std::int16_t, or std::int32_t when it is wide.
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
    if (is_wide_) {
      action(std::int32_t());
    } else {
      action(std::int16_t());
    }
  }

  // The same codes otherwise laid out; elements that do not count are 0.
  [[nodiscard]] CodeArray as(CodeLayout layout) const;
  // Of another shape with as many elements, of kRowMajor.
  [[nodiscard]] CodeArray reshaped(Shape shape) const;

  // Row-major, as real numbers.
  [[nodiscard]] ReferenceTensor as_numbers() const;
  // From real numbers that are codes.
  static CodeArray of(const ReferenceTensor& numbers, CodeLayout layout, bool is_wide);

 private:
  Shape shape_;
  CodeLayout layout_;
  bool is_wide_;
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
                    bool is_wide);

}  // namespace narrow
