#include "cli/options/dataset_flags.h"

#include "cli/options/slim_flags.h"

namespace narrow {

void add_dataset_flags(Command& command, ImageSource& images) {
  command.add_option(slim_flag("dataset_name"), images.dataset_name, "cifar10 or fashion_mnist")
      .type_name("NAME");
  command.add_option(slim_flag("dataset_dir"), images.dataset_dir, "where its records are")
      .type_name("DIR");
  command
      .add_option(slim_flag("dataset_split_name"), images.dataset_split_name,
                  "train, test, or that of SPLIT-00000-of-00002")
      .capture_default_str();
  command
      .add_option(slim_flag("labels_offset"), images.labels_offset,
                  "subtracted from labels and number of classes; 1 where\nlabels begin at 1")
      .capture_default_str();
  command
      .add_option(slim_flag("preprocessing_name"), images.preprocessing_name,
                  "vgg or cifarnet, or a model's name; default that of\nthe network")
      .type_name("NAME");
}

}  // namespace narrow
