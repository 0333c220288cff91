// What is computed in integers besides linear layers. Codes are less their zero points.
#pragma once

#include <span>
#include <vector>

#include "nn/integer/code_array.h"
#include "nn/integer/code_tables.h"

namespace narrow {

// Codes of a value and what they stand for.
struct CodeOperand {
  const CodeArray* codes = nullptr;
  const IntegerFormat* format = nullptr;
};

// nearest(fl(fl(fl(a s_a) + fl(b s_b)) / s_y)), shapes as ONNX broadcasts them.
CodeArray add_codes(const CodeOperand& a, const CodeOperand& b, const IntegerFormat& y);

// nearest(fl(a b) fl(fl(s_a s_b) / s_y)): the product of codes is exact.
CodeArray multiply_codes(const CodeOperand& a, const CodeOperand& b, const IntegerFormat& y);

// nearest(fl(sum) fl(s_x / fl(s_y n))), n the elements of a window: those of the image, or all when
// the pool counts its padding.
CodeArray mean_codes(const Attributes& pool, const CodeOperand& x, const IntegerFormat& y);

// fl(fl(sum) fl(s_a s_b)) for a product of two matrices; requantized to `y` unless that is null.
ReferenceTensor multiply_matrices(const CodeOperand& a, const CodeOperand& b);
CodeArray multiply_matrices(const CodeOperand& a, const CodeOperand& b, const IntegerFormat& y);

CodeArray look_up(const CodeTable& table, const CodeOperand& x, const IntegerFormat& y);

// The codes of the operands, which all stand for the same numbers and are stored alike, where the
// node puts them.
// `further`: the operands of the node that are stored; those of codes are null.
CodeArray move_codes(const Node& node, std::span<const CodeOperand> x,
                     std::span<const ReferenceTensor* const> further);

}  // namespace narrow
