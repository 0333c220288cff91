// What narrow pack wrote as a GGUF file.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "narrow/pack_gguf.h"
#include "report/table/table.h"

namespace narrow {

Table gguf_table(const GgufPackResult& result);
// A line for each type: tensors and bytes.
std::string gguf_summary_text(const GgufPackResult& result);
nlohmann::ordered_json gguf_json(const GgufPackResult& result);

}  // namespace narrow
