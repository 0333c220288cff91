// The variables of a network as one array.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "nn/resnet_v1.h"
#include "nn/variable_source.h"

namespace narrow {

// Every variable of a network back to back, in the order of ResnetV1::variables().
class FlatVariables : public VariableSource {
 public:
  // All zero.
  explicit FlatVariables(const ResnetV1& network);
  // Throws Error(kUsage) unless there are as many values as the network has elements.
  FlatVariables(const ResnetV1& network, std::vector<float> values);

  [[nodiscard]] std::optional<TensorInfo> find(std::string_view name) const override;
  void read(std::string_view name, std::span<float> values) const override;

  // The elements of one variable; throws Error(kNotFound) when there is none of that name.
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
