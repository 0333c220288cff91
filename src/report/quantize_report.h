// What a quantization cost: for people and for programs.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "narrow/quantize_checkpoint.h"

namespace narrow {

// One aligned row for each tensor of the result.
std::string quantize_table(const QuantizeResult& result);

// The closing lines: counts, relative errors, SQNR, time.
std::string quantize_summary_text(const QuantizeSummary& summary);

// {"schema": 1, "tensors": [...], "summary": {...}}.
nlohmann::ordered_json quantize_json(const QuantizeResult& result);

}  // namespace narrow
