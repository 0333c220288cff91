// What `eval`, `sweep` and `plan` share: Slim's flags about the images, and progress.
#pragma once

#include <cstdint>

#include "cli/console/console.h"
#include "cli/parser/command.h"
#include "narrow/image_source.h"
#include "narrow/run_options.h"

namespace narrow {

// Without a size it is that of the network.
void add_dataset_options(Command& command, ImageSource& images, int& batch_size,
                         std::uint64_t& max_num_batches);

// Their names, but those that say which images.
std::vector<std::string> dataset_option_names();

// The same options for commands that take arrays too.
void add_examples_options(Command& command, ImageSource& images, int& batch_size,
                          std::uint64_t& max_num_batches);

// Throws Error(kUsage), in Slim's words, when the dataset or its directory is missing and neither
// pictures nor arrays are given.
void require_examples(const ImageSource& images);

// Shows how many images are done, and stops on a signal.
class EvaluateProgress : public Observer {
 public:
  bool on_progress(std::uint64_t done, std::uint64_t total, ProgressUnit unit) override;
  void finish() { line_.clear(); }

 private:
  ProgressLine line_;
};

}  // namespace narrow
