// Conditions, and what is chosen by them: attention masks and what guards against them.
#include <array>
#include <cmath>
#include <vector>

#include "nn/inference/broadcast_loops.h"
#include "nn/inference/native_steps.h"
#include "nn/inference/strided_copy.h"

namespace narrow {
namespace {

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
  const Shape y_shape = *values.shape_of(node.output());
  std::array<Shape, 2> shapes;
  for (std::size_t k = 0; k < shapes.size(); ++k) {
    shapes[k] = *values.shape_of(node.inputs[k]);
    shapes[k].insert(shapes[k].begin(), y_shape.size() - shapes[k].size(), 1);
  }
  const StepArgument a = values.plain_argument(node.inputs[0]);
  const StepArgument b = values.plain_argument(node.inputs[1]);
  const HeldValue y = values.define(node.output());
  values.builder().add_function(
      [kind,
       loops = BroadcastLoops(y_shape, shapes[0], shapes[1])](std::span<float* const> places) {
        compare(kind, loops, places[0], places[1], reinterpret_cast<std::uint8_t*>(places[2]));
      },
      {a, b, argument(y)});
  return true;
}

// Loops over the result of a Where: the condition, what is taken where it holds, and where not.
struct Choice {
  static constexpr std::size_t kOperands = 3;
  struct Axis {
    std::int64_t size = 1;
    std::array<std::int64_t, kOperands> strides = {};  // 0 where the operand is repeated
  };
  std::vector<Axis> axes;

  // Shapes have at most as many axes as the result.
  Choice(const Shape& result, const std::array<Shape, kOperands>& operands) {
    std::array<std::int64_t, kOperands> steps = {1, 1, 1};
    std::vector<Axis> reversed;
    for (std::size_t i = 0; i < result.size(); ++i) {
      Axis axis{result[result.size() - 1 - i], {}};
      for (std::size_t k = 0; k < kOperands; ++k) {
        const Shape& shape = operands[k];
        const std::int64_t size = i < shape.size() ? shape[shape.size() - 1 - i] : 1;
        axis.strides[k] = size == 1 ? 0 : steps[k];
        steps[k] *= size;
      }
      if (axis.size == 1) continue;
      if (!reversed.empty() && continues(reversed.back(), axis)) {
        reversed.back().size *= axis.size;
      } else {
        reversed.push_back(axis);
      }
    }
    if (reversed.empty()) reversed.emplace_back();
    axes.assign(reversed.rbegin(), reversed.rend());
  }

  void run(const std::uint8_t* condition, const float* yes, const float* no, float* y) const {
    run(0, condition, yes, no, y);
  }

 private:
  static bool continues(const Axis& inner, const Axis& outer) {
    for (std::size_t k = 0; k < kOperands; ++k) {
      if (outer.strides[k] != inner.strides[k] * inner.size) return false;
    }
    return true;
  }

  // Returns where the results of the axes from `depth` on end.
  float* run(std::size_t depth, const std::uint8_t* condition, const float* yes, const float* no,
             float* y) const {
    const auto& [size, strides] = axes[depth];
    if (depth + 1 < axes.size()) {
      for (std::int64_t i = 0; i < size; ++i) {
        y = run(depth + 1, condition + i * strides[0], yes + i * strides[1], no + i * strides[2],
                y);
      }
      return y;
    }
    // One of them is often a single number: a loop of its own becomes vector instructions.
    if (strides == std::array<std::int64_t, kOperands>{1, 0, 1}) {
      const float always = *yes;
      for (std::int64_t i = 0; i < size; ++i) y[i] = condition[i] != 0 ? always : no[i];
    } else if (strides == std::array<std::int64_t, kOperands>{1, 1, 0}) {
      const float always = *no;
      for (std::int64_t i = 0; i < size; ++i) y[i] = condition[i] != 0 ? yes[i] : always;
    } else {
      for (std::int64_t i = 0; i < size; ++i) {
        y[i] = condition[i * strides[0]] != 0 ? yes[i * strides[1]] : no[i * strides[2]];
      }
    }
    return y + size;
  }
};

bool add_where(ProgramValues& values, const Node& node) {
  if (!values.is_array(node.inputs[0], DType::kBool) || !values.is_array(node.inputs[1]) ||
      !values.is_array(node.inputs[2]) || !values.is_array(node.output())) {
    return false;
  }
  std::array<Shape, Choice::kOperands> shapes;
  for (std::size_t k = 0; k < shapes.size(); ++k) shapes[k] = *values.shape_of(node.inputs[k]);
  const StepArgument condition = values.plain_argument(node.inputs[0]);
  const StepArgument yes = values.plain_argument(node.inputs[1]);
  const StepArgument no = values.plain_argument(node.inputs[2]);
  const HeldValue y = values.define(node.output());
  values.builder().add_function(
      [choice = Choice(y.shape, shapes)](std::span<float* const> places) {
        choice.run(reinterpret_cast<const std::uint8_t*>(places[0]), places[1], places[2],
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
