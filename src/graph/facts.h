// What is known of a value before anything is computed.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace narrow {

// An integer that is known, or that is the size of a dimension with this symbol, or neither.
struct SymbolicInteger {
  std::optional<std::int64_t> value;
  std::string symbol = {};
  bool operator==(const SymbolicInteger&) const = default;
};

SymbolicInteger symbolic(const Dimension& dimension);
// As the size of an axis. Throws Error(kUnsupported) when it is negative.
Dimension as_dimension(const SymbolicInteger& integer);

struct Fact {
  DType type = DType::kFloat32;
  Dimensions dimensions;
  // Elements of a small tensor of at most one axis: of an integer type or of a floating-point one.
  std::optional<std::vector<SymbolicInteger>> integers = {};
  std::optional<std::vector<double>> reals = {};
};
using Facts = std::vector<Fact>;
// Of the inputs of a node; null for one that is left out.
using FactInputs = std::span<const Fact* const>;

// More elements than this are not followed.
constexpr std::size_t kMostKnownElements = 1024;

// Of all results of a node. Throws Error(kUnsupported) saying what does not fit, without the
// node's name.
Facts infer_facts(const Attributes& attributes, FactInputs inputs);

}  // namespace narrow
