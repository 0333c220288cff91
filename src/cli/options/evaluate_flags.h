// What `eval` and `sweep` share: Slim's flags about the images, and progress.
#pragma once

#include "cli/console/console.h"
#include "cli/parser/command.h"
#include "narrow/evaluate.h"

namespace narrow {

void add_dataset_options(Command& command, EvaluateOptions& options);

// Puts Slim's default where the flags say 0. Throws Error(kUsage), in Slim's words, when the
// dataset or its directory is missing.
void finish_dataset_options(EvaluateOptions& options);
// The part of that which needs no dataset: replaces a size of 0 by the default.
void finish_image_size(EvaluateOptions& options);

class EvaluateProgress : public EvaluateObserver {
 public:
  bool on_images(std::uint64_t done, std::uint64_t total) override;
  void finish() { line_.clear(); }

 private:
  ProgressLine line_;
};

}  // namespace narrow
