// Small arrays that a graph holds itself.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "graph/facts.h"

namespace narrow {

// Of one axis and of type int64 or float32, or of no axis for make_scalar.
Constant make_constant(const std::vector<std::int64_t>& values);
Constant make_constant(const std::vector<double>& values);
Constant make_scalar(DType type, double value);

// Checks that the bytes are those of the type and shape. Throws Error(kCorrupt) or
// Error(kUnsupported) for a type that is not computed with.
void check(const Constant& constant);

Fact fact_of(const Constant& constant);

// The element of a constant that has one, a floating-point number; nothing for anything else.
std::optional<double> scalar_of(const Graph& graph, ValueId id);

}  // namespace narrow
