// A training as it goes on.
#pragma once

#include "narrow/train.h"

namespace narrow {

// Prints to standard output, or to standard error when that is for JSON. Stops on a signal.
class TrainConsole : public TrainObserver {
 public:
  // The options are used as long as the console is.
  TrainConsole(const TrainOptions& options, bool json) : options_(options), json_(json) {}

  void on_note(const std::string& sentence) override;
  void on_plan(const TrainSummary& plan) override;
  void on_step(const TrainStep& step) override;
  void on_checkpoint(const std::filesystem::path& checkpoint) override;
  bool on_progress(std::uint64_t done, std::uint64_t total, ProgressUnit unit) override;

 private:
  const TrainOptions& options_;
  bool json_;
};

}  // namespace narrow
