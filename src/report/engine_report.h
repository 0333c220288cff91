// What engines compute in integers.
#pragma once

#include <string>

#include "narrow/checkpoint.h"
#include "narrow/inspect_engines.h"
#include "report/report.h"

namespace narrow {

// A row an operator; then what engines compute in floating point, and why, and whose sums saturate.
std::string engines_text(const EngineInspection& inspection);
// For exports; its JSON is that of the command.
Report engines_report(const CheckpointLocation& location, const EngineInspection& inspection);

}  // namespace narrow
