// What every scheme and width costs: tables and JSON. The page is sweep_page.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "narrow/sweep.h"
#include "narrow/sweep_evaluation.h"
#include "narrow/sweep_histograms.h"
#include "report/report.h"
#include "report/sweep/sweep_series.h"

namespace narrow {

// Histograms of one tensor and the schemes they were made with.
struct SweepHistograms {
  ValueHistograms values;
  std::vector<Scheme> schemes;
};

struct SweepOutcome {
  CheckpointLocation checkpoint;
  std::string command;    // the line that made it
  std::string selection;  // of the tensors, in words
  SweepResult errors;
  CopyCounts copied;  // of the others
  std::optional<SweepEvaluation> evaluation;
  std::vector<SweepHistograms> histograms;
};

// A row for the float network when there is an evaluation, then one for each scheme.
Table sweep_table(const SweepOutcome& outcome);
// A row for each tensor and scheme.
Table sweep_tensor_table(const SweepOutcome& outcome);

// The table and what it is about.
std::string sweep_text(const SweepOutcome& outcome);

// Everything; with the page.
Report sweep_report(const SweepOutcome& outcome);

}  // namespace narrow
