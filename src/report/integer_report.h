// What became of a network that is to be computed in integers.
#pragma once

#include <string>

#include "narrow/quantize_activations.h"
#include "report/report.h"

namespace narrow {

// Weights, activations, accumulators, and what stays float.
std::string integer_summary_text(const IntegerNetworkResult& result);

nlohmann::ordered_json integer_json(const IntegerNetworkResult& result);

// With a table of the activations and one of the accumulators.
Report integer_report(const IntegerNetworkResult& result, const std::string& method,
                      nlohmann::ordered_json json);

}  // namespace narrow
