#include "cli/options/dataset_flags.h"

#include "cli/options/slim_flags.h"
#include "narrow/error.h"

namespace narrow {

void add_dataset_flags(Command& command, ImageSource& images) {
  command
      .add_option("--images", images.pictures,
                  "instead of a dataset: a folder of class folders, or a\n"
                  "CSV file with the columns file and label")
      .type_name("PATH");
  command
      .add_option(slim_flag("dataset_name"), images.dataset_name,
                  "cifar10, fashion_mnist, imagenet or flowers")
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
                  "vgg, inception, cifarnet, lenet or imagenet, or a\nmodel's name; default that "
                  "of the network")
      .type_name("NAME");
}

void require_images(const ImageSource& images) {
  if (!images.pictures.empty()) return;
  const auto require = [](bool there, const char* sentence) {
    if (!there) throw Error(ErrorCategory::kUsage, sentence);
  };
  require(!images.dataset_name.empty(),
          "You must supply the dataset name with --dataset_name (cifar10, fashion_mnist, imagenet, "
          "flowers), or "
          "pictures with --images");
  require(!images.dataset_dir.empty(),
          "You must supply the dataset directory with --dataset_dir (narrow download makes one)");
}

}  // namespace narrow
