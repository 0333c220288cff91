// What of a quantized graph does not depend on its inputs: weights, constants, and what is made of
// them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "graph/graph.h"
#include "nn/reference/reference_network.h"

namespace narrow {

// Stored codes with a scale for each output channel, or one.
struct StoredCodes {
  Shape shape;
  std::vector<std::int64_t> codes;  // less their zero points
  std::vector<float> scales;
};

class StoredValues {
 public:
  // Weights are read when they are asked for. The graph must outlive this.
  StoredValues(const Graph& graph, WeightReader read_weight);

  // The node that makes the value; -1 for inputs, weights and constants.
  [[nodiscard]] int producer(ValueId id) const { return producers_[static_cast<std::size_t>(id)]; }
  // A value that does not depend on the inputs of the graph; null for others. Throws what the
  // operators throw.
  [[nodiscard]] const ReferenceTensor* stored(ValueId id) const;
  // What a DequantizeLinear makes the value from; kNoValue for others.
  [[nodiscard]] ValueId codes_behind(ValueId id) const;
  // The number of axes of stored codes behind a DequantizeLinear; nothing for other values.
  [[nodiscard]] std::optional<std::size_t> stored_rank(ValueId id) const;
  // What a DequantizeLinear of stored codes makes of them, in the layout of the value; nothing for
  // other values. `axis`: of the output channels.
  [[nodiscard]] std::optional<StoredCodes> stored_codes(ValueId id, std::size_t axis) const;

 private:
  const Graph& graph_;
  WeightReader read_weight_;
  std::vector<int> producers_;   // by ValueId
  std::vector<bool> is_stored_;  // by ValueId: does not depend on the inputs
  mutable std::map<ValueId, ReferenceTensor> stored_;
};

}  // namespace narrow
