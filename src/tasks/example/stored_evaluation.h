// The evaluation of an earlier run, kept in a file so that a rerun need not repeat it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "narrow/evaluate.h"
#include "narrow/run_example.h"

namespace narrow {

// What an evaluation depends on: contents of the checkpoints, records, image size. Equal texts mean
// equal results.
std::string evaluation_fingerprint(const ExampleOptions& options,
                                   const std::vector<CheckpointLocation>& checkpoints,
                                   const std::filesystem::path& records);

// Accuracies, recalls and comparisons with the first, one a checkpoint.
struct StoredEvaluation {
  std::uint64_t images = 0;
  std::vector<std::string> classes;
  std::vector<HitRate> accuracy;
  std::vector<HitRate> recall_at_5;
  std::vector<PairedComparison> comparisons;  // one fewer
};

StoredEvaluation summarize(const EvaluateResult& result);

// The stored evaluation with this fingerprint; nothing when there is none or the file is not one.
std::optional<StoredEvaluation> load_evaluation(const std::filesystem::path& file,
                                                const std::string& fingerprint);

// Replaces the file in one step. Throws Error(kIo).
void store_evaluation(const std::filesystem::path& file, const std::string& fingerprint,
                      const StoredEvaluation& evaluation);

}  // namespace narrow
