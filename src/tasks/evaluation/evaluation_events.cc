#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <chrono>

#include "base/staged_output.h"
#include "data/records/event_file.h"
#include "narrow/evaluate.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  return name.data();
}

// TensorBoard finds files by "tfevents" in their name and orders them by it.
std::string free_event_file_name(const fs::path& directory, double seconds) {
  const std::string base = fmt::format("events.out.tfevents.{:.0f}.{}", seconds, host_name());
  std::string name = base;
  for (int i = 1; fs::exists(directory / name); ++i) name = fmt::format("{}.{}", base, i);
  return name;
}

fs::path write_events(const fs::path& directory, const Evaluation& evaluation) {
  const double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  const std::string name = free_event_file_name(directory, now);
  StagedOutput staged(directory, {name}, Overwrite::kNo);
  OutputFile file(staged.staging_path(name));
  write_scalar_events(file, now, evaluation.global_step.value_or(0),
                      {{"eval/Accuracy", evaluation.accuracy.slim_value()},
                       {"eval/Recall_5", evaluation.recall_at_5.slim_value()}});
  file.finish();
  staged.commit();
  return directory / name;
}

}  // namespace

std::vector<fs::path> write_evaluation_events(const fs::path& directory,
                                              const EvaluateResult& result) {
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
