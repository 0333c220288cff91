// A training as it goes, and what it came to.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "narrow/train.h"
#include "report/report.h"

namespace narrow {

// Slim's line, "global step 10: loss = 2.1932 (0.005 sec/step)", and what Slim does not say.
std::string train_step_text(const TrainStep& step);

// Network, data and steps, in a few lines.
std::string train_plan_text(const TrainSummary& plan, const TrainOptions& options);

// The last lines of a training.
std::string train_result_text(const TrainResult& result, const TrainOptions& options);

nlohmann::ordered_json train_plan_json(const TrainSummary& plan);

// {"schema": 1, "plan": {...}, "global_step": ..., "log": [...], ...}.
nlohmann::ordered_json train_result_json(const TrainResult& result, const TrainOptions& options);

// The same with the log as a table.
Report train_report(const TrainResult& result, const TrainOptions& options);

}  // namespace narrow
