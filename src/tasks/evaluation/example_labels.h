// The labels of examples that come as arrays, if they have any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "tasks/input_arrays.h"

namespace narrow {

class ExampleLabels {
 public:
  ExampleLabels() = default;
  // Of so many examples; `offset` is subtracted from each. Throws what InputArrays throws.
  ExampleLabels(const InputArrays& file, std::filesystem::path path, std::size_t examples,
                int offset);

  [[nodiscard]] bool are_there() const { return labels_.has_value(); }
  // -1 without labels.
  [[nodiscard]] int of(std::size_t example) const;
  // Throws Error(kUsage) for a label outside 0..class_count - 1.
  void require_below(int class_count) const;

 private:
  std::filesystem::path path_;
  int offset_ = 0;
  std::optional<std::vector<std::int64_t>> labels_;  // as the file has them
};

}  // namespace narrow
