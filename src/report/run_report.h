// Results of running a network: its outputs, its time, and how two networks differ.
#pragma once

#include <string>
#include <vector>

#include "narrow/compare_outputs.h"
#include "narrow/run_network.h"
#include "report/report.h"

namespace narrow {

// A table of outputs and values inside, then a line about time.
std::string run_text(const NetworkRun& run);
nlohmann::ordered_json run_json(const CheckpointLocation& location, const NetworkRun& run);
// By node and by operator.
std::string profile_text(const NetworkRun& run);
// For exports.
Report run_report(const CheckpointLocation& location, const NetworkRun& run);

// A row for every output, and for every value inside that was asked for.
std::string output_comparison_text(const OutputComparison& comparison);
nlohmann::ordered_json output_comparison_json(const OutputComparison& comparison);
Report output_comparison_report(const OutputComparison& comparison);

}  // namespace narrow
