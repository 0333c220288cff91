#include "graph/weights.h"

#include <fmt/format.h>

#include <algorithm>

#include "narrow/error.h"

namespace narrow {

Weights::Weights(const Graph& graph) {
  std::size_t offset = 0;
  for (const Weight& weight : graph.weights) {
    const std::size_t count = element_count(weight.shape);
    entries_[weight.name] = {{weight.name, DType::kFloat32, weight.shape}, offset, count};
    offset += count;
  }
  values_.resize(offset);
}

Weights::Weights(const Graph& graph, std::vector<float> values) : Weights(graph) {
  if (values.size() != values_.size()) {
    throw Error(ErrorCategory::kUsage, fmt::format("The weights of {} have {} values; found {}.",
                                                   graph.name, values_.size(), values.size()));
  }
  values_ = std::move(values);
}

std::optional<TensorInfo> Weights::find(std::string_view name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) return std::nullopt;
  return found->second.info;
}

void Weights::read(std::string_view name, std::span<float> values) const {
  const std::span<const float> from = this->values(name);
  std::copy(from.begin(), from.end(), values.begin());
}

const Weights::Entry& Weights::entry(std::string_view name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) {
    throw Error(ErrorCategory::kNotFound, fmt::format("The network has no weight {}.", name));
  }
  return found->second;
}

std::span<float> Weights::values(std::string_view name) {
  const Entry& found = entry(name);
  return {values_.data() + found.offset, found.count};
}

std::span<const float> Weights::values(std::string_view name) const {
  const Entry& found = entry(name);
  return {values_.data() + found.offset, found.count};
}

}  // namespace narrow
