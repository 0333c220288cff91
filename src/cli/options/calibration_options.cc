#include "cli/options/calibration_options.h"

#include "cli/options/slim_flags.h"

namespace narrow {

void add_calibration_options(Command& command, CalibrationImages& images,
                             const std::string& count_name, const std::string& group) {
  ImageSource& source = images.source;
  command.add_option(slim_flag("dataset_name"), source.dataset_name, "cifar10 or fashion_mnist")
      .type_name("NAME")
      .group(group);
  command.add_option(slim_flag("dataset_dir"), source.dataset_dir, "where its records are")
      .type_name("DIR")
      .group(group);
  command
      .add_option(slim_flag("dataset_split_name"), source.dataset_split_name,
                  "train, test, or that of SPLIT-00000-of-00002")
      .capture_default_str()
      .group(group);
  command.add_option(slim_flag(count_name), images.count, "how many, spread over the split")
      .in_range(2, 1 << 24)
      .capture_default_str()
      .group(group);
  command
      .add_option(slim_flag("preprocessing_name"), source.preprocessing_name,
                  "vgg or cifarnet; default that of the network")
      .type_name("NAME")
      .group(group);
  command
      .add_option(slim_flag("eval_image_size"), source.image_size,
                  "height and width that the network sees")
      .in_range(1, 8192)
      .capture_default_str()
      .group(group);
  command
      .add_option(slim_flag("resize_side"), source.resize_side,
                  "vgg: smaller side of the image before the crop")
      .in_range(1, 16384)
      .capture_default_str()
      .group(group);
}

}  // namespace narrow
