// Contents of one checkpoint, and differences between two.
#pragma once

#include <string>
#include <vector>

#include "narrow/compare_checkpoints.h"
#include "narrow/inspect_checkpoint.h"
#include "report/report.h"

namespace narrow {

// One row a tensor and a line of totals.
std::string inspection_text(const std::vector<TensorInspection>& tensors);
nlohmann::ordered_json inspection_json(const CheckpointLocation& location,
                                       const std::vector<TensorInspection>& tensors);

// One row for each tensor that differs (every tensor with `all`), the names that only one of the
// two has, and the totals.
std::string comparison_text(const CheckpointComparison& comparison, bool all);
nlohmann::ordered_json comparison_json(const CheckpointComparison& comparison);
// One row of it.
nlohmann::ordered_json tensor_comparison_json(const TensorComparison& tensor);

// For exports.
Report inspection_report(const CheckpointLocation& location,
                         const std::vector<TensorInspection>& tensors);
Report comparison_report(const CheckpointComparison& comparison, bool all);

}  // namespace narrow
