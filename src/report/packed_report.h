// What a packed file holds, and how it differs from its checkpoint.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "narrow/packed_checkpoint.h"
#include "report/report.h"

namespace narrow {

// A row for each tensor.
Table packed_table(const PackedContents& contents);

// Counts and sizes.
std::string packed_summary_text(const PackedSummary& summary);

// What became of values that a fixed-point format cannot represent: see format_report.h.
std::vector<std::string> overflow_sentences(const PackedContents& contents);

// {"schema": 1, "tensors": [...], "summary": {...}}.
nlohmann::ordered_json packed_json(const PackedContents& contents);

// For exports; `json` is what the command prints.
Report packed_report(const PackedContents& contents, nlohmann::ordered_json json);

// A line for each difference, or one that says that there is none; of so many tensors.
std::string differences_text(const std::vector<PackedDifference>& differences, std::size_t tensors);

// {"schema": 1, "verified": false, "differences": [...]}.
nlohmann::ordered_json differences_json(const std::vector<PackedDifference>& differences);

}  // namespace narrow
