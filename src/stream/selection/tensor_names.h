// Tensors by their names, for rules that look at a tensor's neighbours.
#pragma once

#include <span>
#include <string_view>
#include <unordered_map>

#include "narrow/tensor.h"

namespace narrow {

// Made when it is first asked: most checkpoints have no name that needs it. Not for several
// threads; the tensors must outlive it.
class TensorNames {
 public:
  explicit TensorNames(std::span<const TensorInfo> tensors) : tensors_(tensors) {}

  // Null when there is none.
  [[nodiscard]] const TensorInfo* find(std::string_view name) const {
    if (by_name_.empty()) {
      for (const TensorInfo& tensor : tensors_) by_name_.emplace(tensor.name, &tensor);
    }
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second;
  }

 private:
  std::span<const TensorInfo> tensors_;
  mutable std::unordered_map<std::string_view, const TensorInfo*> by_name_;
};

}  // namespace narrow
