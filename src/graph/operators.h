// What is true of every node of an operator: one row of a table for each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "graph/graph.h"

namespace narrow {

// The number of inputs of an operator that takes any number of them.
constexpr std::size_t kAnyNumber = std::numeric_limits<std::int32_t>::max();

struct Operator {
  std::string_view name;  // ONNX's
  std::size_t fewest_inputs = 1;
  std::size_t most_inputs = 1;
  std::size_t most_outputs = 1;
};

const Operator& operator_of(const Attributes& attributes);
inline const Operator& operator_of(const Node& node) { return operator_of(node.attributes); }

// Of a convolution or a pool; null for other operators.
const Window* window_of(const Node& node);

// The attributes that are not their operator's usual ones, for people: "7x7 /2 pad 3".
std::string describe(const Attributes& attributes);

}  // namespace narrow
