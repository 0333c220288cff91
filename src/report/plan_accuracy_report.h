// A plan with what it gives in accuracy: for people and for programs.
#pragma once

#include <string>

#include "narrow/plan_accuracy.h"
#include "report/report.h"

namespace narrow {

// The networks of the search, by rising size.
Table trials_table(const PlanAccuracy& accuracy);

// The float network, the plan and the single widths of about its size on images that nothing was
// chosen with.
Table verification_table(const PlanAccuracy& accuracy);

// What was searched and what the verification says, as lines around the two tables.
std::string accuracy_text(const AccuracyPlan& plan);

// plan_json and "accuracy".
nlohmann::ordered_json plan_json(const AccuracyPlan& plan);

// For exports; CSV holds the verification.
Report plan_report(const AccuracyPlan& plan);

}  // namespace narrow
