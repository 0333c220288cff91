// Operators on codes.
#include <fmt/format.h>

#include <array>

#include "graph/rules/fact_rules.h"

namespace narrow {
namespace {

void require_codes(const Fact& x) {
  if (integer_range(x.type, SmallType::kNone)) return;
  refuse_inputs(fmt::format("its codes are of type {}, expected integers of at most 32 bits",
                            to_string(x.type)));
}

// So that sums of products are exact in double.
void require_short_codes(const Fact& x) {
  if (x.type == DType::kInt8 || x.type == DType::kUInt8) return;
  refuse_inputs(fmt::format("its codes are of type {}, expected 8 bits", to_string(x.type)));
}

[[noreturn]] void refuse_parameter(const Fact& parameter, const Fact& x) {
  refuse_inputs(fmt::format("a scale or zero point is {} of type {}, which does not fit {}",
                            to_string(parameter.dimensions), to_string(parameter.type),
                            to_string(x.dimensions)));
}

// A scale or zero point of x: one value, or one for each index of `axis`.
void require_parameter(const Fact* parameter, const Fact& x, std::int64_t axis) {
  if (parameter == nullptr || may_be_equal(product(parameter->dimensions), 1)) return;
  const std::size_t rank = x.dimensions.size();
  const bool fits = parameter->dimensions.size() == 1 && rank >= 1 &&
                    may_be_equal(parameter->dimensions[0], x.dimensions[axis_of(axis, rank)]);
  if (!fits) refuse_parameter(*parameter, x);
}

// The same, or of as many axes as the matrices of x, whose axis `shared` it does not have.
void require_matrix_parameter(const Fact* parameter, const Fact& x, std::int64_t axis,
                              std::int64_t shared) {
  const std::size_t rank = x.dimensions.size();
  if (parameter == nullptr || rank < 2 || parameter->dimensions.size() != rank) {
    require_parameter(parameter, x, axis);
    return;
  }
  const std::size_t shared_axis = axis_of(shared, rank);
  for (std::size_t i = 0; i < rank; ++i) {
    const Dimension& size = parameter->dimensions[i];
    const bool fits =
        may_be_equal(size, 1) || (i != shared_axis && may_be_equal(size, x.dimensions[i]));
    if (!fits) refuse_parameter(*parameter, x);
  }
}

// One for each block along the axis.
void require_blocks(const Fact* parameter, const Fact& x, std::int64_t axis, std::int64_t size) {
  if (parameter == nullptr) return;
  const Dimensions& sizes = parameter->dimensions;
  if (size < 0 || sizes.size() != x.dimensions.size()) refuse_parameter(*parameter, x);
  const std::size_t along = axis_of(axis, sizes.size());
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    Dimension expected = x.dimensions[i];
    if (i == along && !expected.is_free()) {
      expected.size = expected.size / size + (expected.size % size != 0 ? 1 : 0);
    }
    if (!may_be_equal(sizes[i], expected)) refuse_parameter(*parameter, x);
  }
}

template <typename Op>
void require_parameters(const Op& op, FactInputs inputs) {
  require_real(*inputs[1]);
  for (const std::size_t i : {1, 2}) {
    const Fact* const parameter = input_at(inputs, i);
    if (op.block_size != 0) {
      require_blocks(parameter, *inputs[0], op.axis, op.block_size);
    } else {
      require_parameter(parameter, *inputs[0], op.axis);
    }
  }
}

// What the operator on real numbers gives for x and weights.
template <typename Op>
Dimensions real_dimensions(const Op& op, const Fact& x, const Fact& weights) {
  require_short_codes(x);
  require_short_codes(weights);
  const Fact real_x = {DType::kFloat64, x.dimensions};
  const Fact real_weights = {DType::kFloat64, weights.dimensions};
  const std::array<const Fact*, 2> inputs = {&real_x, &real_weights};
  return infer(op, inputs)[0].dimensions;
}

void require_codes_at(FactInputs inputs, std::initializer_list<std::size_t> indices) {
  for (const std::size_t i : indices) {
    if (input_at(inputs, i) != nullptr) require_codes(*inputs[i]);
  }
}

}  // namespace

Facts infer(const op::QuantizeLinear& quantize, FactInputs inputs) {
  if (inputs[0]->type != DType::kInt32) require_real(*inputs[0]);
  require_parameters(quantize, inputs);
  const Fact* const zero = input_at(inputs, 2);
  if (zero != nullptr && is_floating_point(zero->type) != is_floating_point(quantize.to)) {
    refuse_inputs(fmt::format("its zero point is of type {}, its codes of {}",
                              to_string(zero->type), to_string(quantize.to)));
  }
  return one_fact(quantize.to, inputs[0]->dimensions);
}

Facts infer(const op::DequantizeLinear& dequantize, FactInputs inputs) {
  if (!is_floating_point(inputs[0]->type)) require_codes(*inputs[0]);
  require_parameters(dequantize, inputs);
  return one_fact(inputs[1]->type, inputs[0]->dimensions);
}

Facts infer(const op::DynamicQuantizeLinear& /*quantize*/, FactInputs inputs) {
  require_real(*inputs[0]);
  return {{DType::kUInt8, inputs[0]->dimensions}, {DType::kFloat32, {}}, {DType::kUInt8, {}}};
}

Facts infer(const op::ConvInteger& conv, FactInputs inputs) {
  Dimensions result = real_dimensions(op::Conv{conv.window, conv.group}, *inputs[0], *inputs[1]);
  require_codes_at(inputs, {2, 3});
  require_parameter(input_at(inputs, 2), {}, 0);
  require_parameter(input_at(inputs, 3), *inputs[1], 0);
  return one_fact(DType::kInt32, std::move(result));
}

Facts infer(const op::MatMulInteger& /*product*/, FactInputs inputs) {
  Dimensions result = real_dimensions(op::MatMul{}, *inputs[0], *inputs[1]);
  require_codes_at(inputs, {2, 3});
  require_matrix_parameter(input_at(inputs, 2), *inputs[0], -2, -1);
  require_matrix_parameter(input_at(inputs, 3), *inputs[1], -1, -2);
  return one_fact(DType::kInt32, std::move(result));
}

Facts infer(const op::QLinearConv& conv, FactInputs inputs) {
  Dimensions result = real_dimensions(op::Conv{conv.window, conv.group}, *inputs[0], *inputs[3]);
  require_codes_at(inputs, {2, 5, 7, 8});
  for (const std::size_t i : {1, 4, 6}) require_real(*inputs[i]);
  for (const std::size_t i : {1, 2, 6, 7}) require_parameter(inputs[i], {}, 0);
  for (const std::size_t i : {4, 5}) require_parameter(inputs[i], *inputs[3], 0);
  const Fact* const biases = input_at(inputs, 8);
  if (biases != nullptr &&
      (biases->dimensions.size() != 1 || !may_be_equal(biases->dimensions[0], result[1]))) {
    refuse_inputs(fmt::format("its biases are {}, expected [{}]", to_string(biases->dimensions),
                              result[1].size));
  }
  return one_fact(inputs[7]->type, std::move(result));
}

Facts infer(const op::QLinearMatMul& /*product*/, FactInputs inputs) {
  Dimensions dimensions = real_dimensions(op::MatMul{}, *inputs[0], *inputs[3]);
  require_codes_at(inputs, {2, 5, 7});
  for (const std::size_t i : {1, 4, 6}) require_real(*inputs[i]);
  for (const std::size_t i : {1, 2}) require_matrix_parameter(inputs[i], *inputs[0], -2, -1);
  for (const std::size_t i : {4, 5}) require_matrix_parameter(inputs[i], *inputs[3], -1, -2);
  Facts result = one_fact(inputs[7]->type, std::move(dimensions));
  for (const std::size_t i : {6, 7}) require_matrix_parameter(inputs[i], result[0], -2, -1);
  return result;
}

}  // namespace narrow
