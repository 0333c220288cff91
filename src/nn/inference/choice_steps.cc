// Conditions, and what is chosen by them: attention masks and what guards against them.
#include <array>
#include <cmath>
#include <vector>

#include "nn/inference/broadcast_loops.h"
#include "nn/inference/native_steps.h"
#include "nn/inference/strided_copy.h"

namespace narrow {
namespace {

template <std::size_t kOperands>
BroadcastLoops<kOperands> loops_of(const ProgramValues& values, const Node& node) {
  std::array<Shape, kOperands> shapes;
  for (std::size_t k = 0; k < kOperands; ++k) shapes[k] = *values.shape_of(node.inputs[k]);
  return {*values.shape_of(node.output()), shapes};
}

bool add_is_nan(ProgramValues& values, const Node& node) {
  if (!values.is_array(node.inputs[0]) || !values.is_array(node.output(), DType::kBool)) {
    return false;
  }
  const StepArgument x = values.plain_argument(node.inputs[0]);
  const HeldValue y = values.define(node.output());
  const auto count = static_cast<std::size_t>(element_count(y.shape));
  values.builder().add_function(
      [count](std::span<float* const> places) {
        auto* const found = reinterpret_cast<std::uint8_t*>(places[1]);
        for (std::size_t i = 0; i < count; ++i) found[i] = std::isnan(places[0][i]) ? 1 : 0;
      },
      {x, argument(y)});
  return true;
}

bool add_compare(ProgramValues& values, const Node& node, op::CompareKind kind) {
  if (!values.is_array(node.inputs[0]) || !values.is_array(node.inputs[1]) ||
      !values.is_array(node.output(), DType::kBool)) {
    return false;
  }
  const StepArgument a = values.plain_argument(node.inputs[0]);
  const StepArgument b = values.plain_argument(node.inputs[1]);
  const HeldValue y = values.define(node.output());
  values.builder().add_function(
      [kind, loops = loops_of<2>(values, node)](std::span<float* const> places) {
        compare(kind, loops, places[0], places[1], reinterpret_cast<std::uint8_t*>(places[2]));
      },
      {a, b, argument(y)});
  return true;
}

bool add_where(ProgramValues& values, const Node& node) {
  if (!values.is_array(node.inputs[0], DType::kBool) || !values.is_array(node.inputs[1]) ||
      !values.is_array(node.inputs[2]) || !values.is_array(node.output())) {
    return false;
  }
  const StepArgument condition = values.plain_argument(node.inputs[0]);
  const StepArgument yes = values.plain_argument(node.inputs[1]);
  const StepArgument no = values.plain_argument(node.inputs[2]);
  const HeldValue y = values.define(node.output());
  values.builder().add_function(
      [loops = loops_of<3>(values, node)](std::span<float* const> places) {
        choose(loops, reinterpret_cast<const std::uint8_t*>(places[0]), places[1], places[2],
               places[3]);
      },
      {condition, yes, no, argument(y)});
  return true;
}

}  // namespace

bool add_choice_step(ProgramValues& values, const Node& node) {
  if (std::holds_alternative<op::Where>(node.attributes)) return add_where(values, node);
  if (const auto* compare = std::get_if<op::Compare>(&node.attributes)) {
    return add_compare(values, node, compare->kind);
  }
  const auto* const unary = std::get_if<op::Unary>(&node.attributes);
  return unary != nullptr && unary->kind == op::UnaryKind::kIsNaN && add_is_nan(values, node);
}

}  // namespace narrow
