// What a quantization cost: for people and for programs.
#pragma once

#include <string>
#include <vector>

#include "narrow/quantize_checkpoint.h"
#include "report/report.h"

namespace narrow {

// A row for each tensor of the result.
Table quantize_table(const QuantizeResult& result);

// The closing lines: counts, relative errors, SQNR, time.
std::string quantize_summary_text(const QuantizeSummary& summary);

// What became of values that a fixed-point format cannot represent: see format_report.h.
std::vector<std::string> overflow_sentences(const QuantizeResult& result);

// {"schema": 1, "tensors": [...], "summary": {...}}.
nlohmann::ordered_json quantize_json(const QuantizeResult& result);

// For exports; `title` is what was done ("bin, 4 bits"), `json` what the command prints, with the
// path of its input.
Report quantize_report(const QuantizeResult& result, const std::string& title,
                       nlohmann::ordered_json json);

}  // namespace narrow
