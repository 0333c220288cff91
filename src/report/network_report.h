// What the methods for networks did, beside the report of the quantization.
#pragma once

#include <string>

#include "narrow/quantize_network.h"
#include "report/report.h"

namespace narrow {

// The closing lines: errors in units of the checkpoint and at the outputs of layers.
std::string network_summary_text(const NetworkResult& result);

// quantize_json with "network", "layers" and, of every quantized tensor and of the summary,
// "original_relative_l2".
nlohmann::ordered_json network_json(const NetworkResult& result);

// quantize_report, with the errors in units of the checkpoint and a table of the layers.
Report network_report(const NetworkResult& result, const std::string& method,
                      nlohmann::ordered_json json);

}  // namespace narrow
