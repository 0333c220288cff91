// Slim's flags that say which images a command reads.
#pragma once

#include "cli/options/slim_flags.h"
#include "cli/parser/command.h"

namespace narrow {

// Options: EvaluateOptions or TrainOptions, whose members have the names of the flags.
template <typename Options>
void add_dataset_flags(Command& command, Options& options) {
  command.add_option(slim_flag("dataset_name"), options.dataset_name, "cifar10 or fashion_mnist")
      .type_name("NAME");
  command.add_option(slim_flag("dataset_dir"), options.dataset_dir, "where its records are")
      .type_name("DIR");
  command
      .add_option(slim_flag("dataset_split_name"), options.dataset_split_name,
                  "train, test, or that of SPLIT-00000-of-00002")
      .capture_default_str();
  command
      .add_option(slim_flag("labels_offset"), options.labels_offset,
                  "subtracted from labels and number of classes; 1 where\nlabels begin at 1")
      .capture_default_str();
  command
      .add_option(slim_flag("preprocessing_name"), options.preprocessing_name,
                  "vgg or cifarnet, or a model's name; default that of\nthe network")
      .type_name("NAME");
}

}  // namespace narrow
