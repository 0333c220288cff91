#include <fmt/format.h>

#include "base/staging/staged_output.h"
#include "data/records/event_file.h"
#include "narrow/error.h"
#include "narrow/evaluate.h"
#include "tasks/event_names.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

fs::path write_events(const fs::path& directory, const Evaluation& evaluation) {
  const double now = wall_time();
  while (true) {
    const std::string name = free_event_file_name(directory, now);
    try {
      StagedOutput staged(directory, {name}, Overwrite::kNo);
      OutputFile file(staged.staging_path(name));
      EventWriter(file, now).write(now, evaluation.global_step.value_or(0),
                                   {{"eval/Accuracy", evaluation.accuracy.slim_value()},
                                    {"eval/Recall_5", evaluation.recall_at_5.slim_value()}});
      file.finish();
      staged.commit();
      return directory / name;
    } catch (const Error& error) {
      // Another evaluation took that name meanwhile; the next one is free.
      if (error.category() != ErrorCategory::kExists) throw;
    }
  }
}

}  // namespace

std::vector<fs::path> write_evaluation_events(const fs::path& directory,
                                              const EvaluateResult& result) {
  if (!result.has_labels) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} has no labels, so there is no accuracy to write to {}",
                            result.records.string(), directory.string()));
  }
  std::vector<fs::path> files;
  for (std::size_t i = 0; i < result.evaluations.size(); ++i) {
    const Evaluation& evaluation = result.evaluations[i];
    const fs::path run =
        result.evaluations.size() == 1
            ? directory
            : directory /
                  fmt::format("{}-{}", i + 1, evaluation.checkpoint.path.filename().string());
    files.push_back(write_events(run, evaluation));
  }
  return files;
}

}  // namespace narrow
