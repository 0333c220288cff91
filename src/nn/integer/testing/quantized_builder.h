// Test support: graphs with quantized values, put together in few lines.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "graph/constants.h"
#include "graph/graph_builder.h"
#include "graph/testing/hashed_values.h"
#include "tensor/element_values.h"

namespace narrow {

// Scale and zero point of a value.
struct TestFormat {
  double scale = 0.05;
  std::int64_t zero = 0;
  DType type = DType::kUInt8;
};

class QuantizedBuilder : public GraphBuilder {
 public:
  using GraphBuilder::GraphBuilder;

  ValueId integers(DType type, Shape shape, const std::vector<std::int64_t>& values) {
    return constant(next("integers"), {type, std::move(shape), encode_integers(type, values)});
  }
  ValueId reals(Shape shape, const std::vector<double>& values) {
    return constant(next("reals"),
                    {DType::kFloat32, std::move(shape), encode_reals(DType::kFloat32, values)});
  }

  // Codes of x.
  ValueId quantize(ValueId x, const TestFormat& format) {
    const ValueId scale = reals({}, {format.scale});
    const ValueId zero = integers(format.type, {}, {format.zero});
    return add(next("quantize"), op::QuantizeLinear{format.type}, {x, scale, zero});
  }
  ValueId dequantize(ValueId codes, const TestFormat& format) {
    const ValueId scale = reals({}, {format.scale});
    const ValueId zero = integers(format.type, {}, {format.zero});
    return add(next("dequantize"), op::DequantizeLinear{}, {codes, scale, zero});
  }
  // Both.
  ValueId round(ValueId x, const TestFormat& format) {
    return dequantize(quantize(x, format), format);
  }
  // Stored codes with a scale for each index of the axis.
  ValueId stored(Shape shape, const std::vector<std::int64_t>& codes,
                 const std::vector<double>& scales, std::int64_t axis, DType type = DType::kInt8) {
    const ValueId values = integers(type, std::move(shape), codes);
    const Shape by = scales.size() == 1 ? Shape{} : Shape{static_cast<std::int64_t>(scales.size())};
    return add(next("weights"), op::DequantizeLinear{axis}, {values, reals(by, scales)});
  }

 private:
  std::string next(const std::string& name) { return name + std::to_string(count_++); }
  int count_ = 0;
};

// Integers from `least` to `greatest`, a function of the seed.
inline std::vector<std::int64_t> hashed_integers(std::size_t count, std::int64_t least,
                                                 std::int64_t greatest, std::uint32_t seed) {
  std::vector<std::int64_t> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    const double share = hashed_uniform(seed + static_cast<std::uint32_t>(i));
    values[i] =
        least + static_cast<std::int64_t>(share * static_cast<double>(greatest - least + 1));
    values[i] = std::min(values[i], greatest);
  }
  return values;
}

}  // namespace narrow
