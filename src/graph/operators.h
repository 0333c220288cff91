// What is true of every node of an operator: one row of a table for each.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "graph/graph.h"

namespace narrow {

struct Operator {
  std::string_view name;  // ONNX's
  std::size_t fewest_inputs = 1;
  std::size_t most_inputs = 1;
  // The dimensions of the result from those of the inputs; null for an input that is left out.
  // Throws Error(kUnsupported) saying what does not fit, without the node's name.
  Dimensions (*result)(const Attributes& attributes,
                       std::span<const Dimensions* const> inputs) = nullptr;
};

const Operator& operator_of(const Attributes& attributes);
inline const Operator& operator_of(const Node& node) { return operator_of(node.attributes); }

// Of a convolution or a pool; null for other operators.
const Window* window_of(const Node& node);

// The attributes that are not their operator's usual ones, for people: "7x7 /2 pad 3".
std::string describe(const Attributes& attributes);

}  // namespace narrow
