// What `eval`, `sweep` and `plan` share: Slim's flags about the images, and progress.
#pragma once

#include <cstdint>

#include "cli/console/console.h"
#include "cli/parser/command.h"
#include "narrow/image_source.h"
#include "narrow/run_options.h"

namespace narrow {

void add_dataset_options(Command& command, ImageSource& images, int& batch_size,
                         std::uint64_t& max_num_batches);

// Puts Slim's default where the flags say 0. Throws Error(kUsage), in Slim's words, when the
// dataset or its directory is missing and no pictures are given.
void finish_dataset_options(ImageSource& images);
// The part of that which needs no dataset: replaces a size of 0 by the default.
void finish_image_size(ImageSource& images);

// Shows how many images are done, and stops on a signal.
class EvaluateProgress : public Observer {
 public:
  bool on_progress(std::uint64_t done, std::uint64_t total, ProgressUnit unit) override;
  void finish() { line_.clear(); }

 private:
  ProgressLine line_;
};

}  // namespace narrow
