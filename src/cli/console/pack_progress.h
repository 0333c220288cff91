// Progress of the commands about packed files, which stop on a signal.
#pragma once

#include <string_view>

#include "cli/console/console.h"
#include "narrow/packed_checkpoint.h"

namespace narrow {

class PackProgress : public PackObserver {
 public:
  // `what`: a word for what is done: "packing".
  explicit PackProgress(std::string_view what) : what_(what) { catch_interrupts(); }
  void on_bytes(std::uint64_t done, std::uint64_t total) override {
    throw_if_interrupted();
    progress_.update(done, total, ProgressUnit::kBytes, what_);
  }
  void finish() { progress_.clear(); }

 private:
  std::string_view what_;
  ProgressLine progress_;
};

}  // namespace narrow
