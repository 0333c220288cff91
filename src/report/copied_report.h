// What became of tensors that are not quantized as they are: copied, by reason, or restored first.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "narrow/checkpoint.h"
#include "narrow/selection.h"

namespace narrow {

// "copied: 2 moving statistics, 1 counter\n", or nothing where no reason is known; `what` is the
// first word.
std::string copied_text(const CopyCounts& counts, const std::string& what);

// {"moving_statistic": 2, "counter": 1}.
nlohmann::ordered_json copied_json(const CopyCounts& counts);

// For a cell of a table: "copied: moving statistic"; `what` alone without a reason.
std::string copied_cell(CopyReason reason, const std::string& what);

// What was restored of float8 weights: a line, and "float8" in the object; nothing for readers that
// restore nothing.
std::string float8_text(const CheckpointReader& reader);
void add_float8(const CheckpointReader& reader, nlohmann::ordered_json& json);

}  // namespace narrow
