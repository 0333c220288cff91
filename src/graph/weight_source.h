// Where the weights of a graph come from, and the check that all of them are there.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "graph/graph.h"
#include "narrow/tensor.h"

namespace narrow {

// Named arrays: a checkpoint, a quantized copy of one, arrays in a test.
class WeightSource {
 public:
  virtual ~WeightSource() = default;
  // What is known of the tensor, or nothing when there is none of that name.
  [[nodiscard]] virtual std::optional<TensorInfo> find(std::string_view name) const = 0;
  // Its values, row-major, converted to float32; `values` holds exactly its elements. Called only
  // for names that find() knows and whose type is a floating-point one.
  virtual void read(std::string_view name, std::span<float> values) const = 0;
};

// Checks that `source` has every weight of `graph`, of a floating-point type and of the right
// shape. Other tensors of the source are of no concern.
// Throws one Error(kNotFound or kUsage) that names every weight that is missing or does not fit,
// with the shapes found and expected, and explains another number of classes as such.
void check_weights(const Graph& graph, const WeightSource& source);

}  // namespace narrow
