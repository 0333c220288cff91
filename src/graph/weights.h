// The weights of a graph as one array.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "graph/weight_source.h"

namespace narrow {

// Every weight of a graph back to back, in the order of Graph::weights, as the checkpoint stores
// them.
class Weights : public WeightSource {
 public:
  // All zero.
  explicit Weights(const Graph& graph);
  // Throws Error(kUsage) unless there are as many values as the graph's weights have elements.
  Weights(const Graph& graph, std::vector<float> values);

  [[nodiscard]] std::optional<TensorInfo> find(std::string_view name) const override;
  void read(std::string_view name, std::span<float> values) const override;

  // The elements of one weight; throws Error(kNotFound) when there is none of that name.
  [[nodiscard]] std::span<float> values(std::string_view name);
  [[nodiscard]] std::span<const float> values(std::string_view name) const;

 private:
  struct Entry {
    TensorInfo info;
    std::size_t offset = 0;
    std::size_t count = 0;
  };
  [[nodiscard]] const Entry& entry(std::string_view name) const;

  std::map<std::string, Entry, std::less<>> entries_;
  std::vector<float> values_;
};

}  // namespace narrow
