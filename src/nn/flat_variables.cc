#include "nn/flat_variables.h"

#include <fmt/format.h>

#include <algorithm>

#include "narrow/error.h"

namespace narrow {

FlatVariables::FlatVariables(const ResnetV1& network) {
  std::size_t offset = 0;
  for (const ModelVariable& variable : network.variables()) {
    const std::size_t count = element_count(variable.shape);
    entries_[variable.name] = {{variable.name, DType::kFloat32, variable.shape}, offset, count};
    offset += count;
  }
  values_.resize(offset);
}

FlatVariables::FlatVariables(const ResnetV1& network, std::vector<float> values)
    : FlatVariables(network) {
  if (values.size() != values_.size()) {
    throw Error(
        ErrorCategory::kUsage,
        fmt::format("The network {} for {} classes has {} values in its variables; found {}.",
                    network.name, network.class_count, values_.size(), values.size()));
  }
  values_ = std::move(values);
}

std::optional<TensorInfo> FlatVariables::find(std::string_view name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) return std::nullopt;
  return found->second.info;
}

void FlatVariables::read(std::string_view name, std::span<float> values) const {
  const std::span<const float> from = this->values(name);
  std::copy(from.begin(), from.end(), values.begin());
}

const FlatVariables::Entry& FlatVariables::entry(std::string_view name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) {
    throw Error(ErrorCategory::kNotFound, fmt::format("The network has no variable {}.", name));
  }
  return found->second;
}

std::span<float> FlatVariables::values(std::string_view name) {
  const Entry& found = entry(name);
  return {values_.data() + found.offset, found.count};
}

std::span<const float> FlatVariables::values(std::string_view name) const {
  const Entry& found = entry(name);
  return {values_.data() + found.offset, found.count};
}

}  // namespace narrow
