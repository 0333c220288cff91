// Every operator of a graph as its definition says it, in double and in plain loops: the oracle of
// everything that is fast.
#pragma once

#include <span>
#include <vector>

#include "graph/attributes.h"
#include "narrow/tensor.h"

namespace narrow {

// Row-major.
struct ReferenceTensor {
  Shape shape;
  std::vector<double> values;

  static ReferenceTensor zeros(Shape shape);
};

// The result of an operator. `inputs` are as the operator pages of ONNX have them, null for one
// that is left out; their shapes have been inferred from and fit.
ReferenceTensor run_operator(const Attributes& attributes,
                             std::span<const ReferenceTensor* const> inputs);

}  // namespace narrow
