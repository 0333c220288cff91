#include "tasks/evaluation/example_labels.h"

#include <fmt/format.h>

#include <utility>

#include "narrow/error.h"

namespace narrow {

ExampleLabels::ExampleLabels(const InputArrays& file, std::filesystem::path path,
                             std::size_t examples, int offset)
    : path_(std::move(path)), offset_(offset), labels_(file.read_labels(examples)) {}

int ExampleLabels::of(std::size_t example) const {
  return labels_ ? static_cast<int>((*labels_)[example] - offset_) : -1;
}

void ExampleLabels::require_below(int class_count) const {
  if (!labels_) return;
  for (std::size_t i = 0; i < labels_->size(); ++i) {
    const std::int64_t label = (*labels_)[i];
    // Compared before the subtraction, which a hostile label could make overflow.
    if (label >= offset_ && label < std::int64_t{offset_} + class_count) continue;
    throw Error(ErrorCategory::kUsage,
                fmt::format("example {} of {} has the label {}; the {} classes are {}..{}", i,
                            path_.string(), label, class_count, offset_,
                            std::int64_t{offset_} + class_count - 1));
  }
}

}  // namespace narrow
