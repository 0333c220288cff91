// A budget plan: for people and for programs.
#pragma once

#include <string>

#include "narrow/plan.h"
#include "report/report.h"

namespace narrow {

// The least damage at the size of every single width and at the budget.
Table curve_table(const BitAllocation& plan);

// A row for each quantized tensor: its width, and what it takes and costs.
// `with_spread`: what their values are like, too, for which a terminal has no room.
Table allocation_table(const BitAllocation& plan, bool with_spread);
// A row for each group of values between operators.
Table planned_activations_table(const BitAllocation& plan);

// The closing lines: budget, size, damage and how far from the bound it is.
std::string plan_summary_text(const BitAllocation& plan, bool has_budget = true);

// The plan file's object and "curve", an array.
nlohmann::ordered_json plan_json(const BitAllocation& plan);

// For exports; CSV holds the curve.
Report plan_report(const BitAllocation& plan);

}  // namespace narrow
