// Progress of jobs that tell nothing else, which stop on a signal.
#pragma once

#include <string>
#include <string_view>

#include "cli/console/console.h"
#include "narrow/run_options.h"

namespace narrow {

class JobProgress : public Observer {
 public:
  // `what`: a word for what is done: "packing".
  explicit JobProgress(std::string_view what) : what_(what) { catch_interrupts(); }
  bool on_progress(std::uint64_t done, std::uint64_t total, ProgressUnit unit) override {
    if (is_interrupted()) return false;
    progress_.update(done, total, unit, what_);
    return true;
  }
  void finish() { progress_.clear(); }

 private:
  std::string_view what_;
  ProgressLine progress_;
};

// The same for jobs that say how they do it.
class NotingProgress : public JobProgress {
 public:
  using JobProgress::JobProgress;
  void on_note(const std::string& sentence) override {
    finish();
    print_note(sentence);
  }
};

}  // namespace narrow
