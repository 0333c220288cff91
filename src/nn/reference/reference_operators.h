// Every operator of a graph as its definition says it, in double or in exact integers and in plain
// loops: the oracle of everything that is fast.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "graph/attributes.h"
#include "graph/graph.h"
#include "narrow/tensor.h"

namespace narrow {

// Row-major. Elements of floating-point types are doubles that the type has, those of integer types
// and bool 64-bit integers (of uint64 with the same bits).
struct ReferenceTensor {
  Shape shape;
  std::vector<double> values;
  DType type = DType::kFloat64;
  std::vector<std::int64_t> integers = {};

  // Throws Error(kUnsupported) for a type that is not computed with, or for too many elements.
  static ReferenceTensor zeros(Shape shape, DType type = DType::kFloat64);
  // Throws what check() of a constant throws.
  static ReferenceTensor of(const Constant& constant);

  [[nodiscard]] Constant as_constant() const;
  [[nodiscard]] bool is_real() const { return is_floating_point(type); }
  [[nodiscard]] std::size_t size() const { return is_real() ? values.size() : integers.size(); }
  bool operator==(const ReferenceTensor&) const = default;
};

// The results of an operator, rounded or wrapped to their types. `inputs` are as the operator pages
// of ONNX have them, null for one that is left out.
// Throws Error(kUnsupported) when they do not fit, without the node's name.
std::vector<ReferenceTensor> run_operator_results(const Attributes& attributes,
                                                  std::span<const ReferenceTensor* const> inputs);

// The first of them.
ReferenceTensor run_operator(const Attributes& attributes,
                             std::span<const ReferenceTensor* const> inputs);

}  // namespace narrow
