// A sweep as one HTML page: the answer in large letters, curves, every layer, and the table.
#pragma once

#include <string>

#include "report/report.h"
#include "report/sweep/sweep_report.h"

namespace narrow {

// `report` gives title, facts and tables.
std::string sweep_page(const SweepOutcome& outcome, const Report& report);

}  // namespace narrow
