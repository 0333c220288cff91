#include "cli/options/calibration_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "base/number_text.h"
#include "cli/options/recipe_flags.h"
#include "cli/options/slim_flags.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr int kMostImages = 1 << 24;

void take_images(const std::string& text, CalibrationImages& images) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.empty() || !std::ranges::all_of(text, is_digit)) {
    images.source.pictures = text;
    return;
  }
  images.count = number_of<std::uint64_t>(text).value_or(0);
  if (images.count >= 2 && images.count <= kMostImages) return;
  throw Error(ErrorCategory::kUsage,
              fmt::format("--images: Value {} not in range [2 - {}]", text, kMostImages));
}

void add_images_option(Command& command, CalibrationImages& images, ImagesOption option,
                       const std::string& group) {
  if (option == ImagesOption::kPictures) {
    command
        .add_option("--images", images.source.pictures,
                    "instead of a dataset: a folder of class folders, or a\n"
                    "CSV file with the columns file and label")
        .type_name("PATH")
        .group(group);
    return;
  }
  const auto take = [&images](const std::string& text) { take_images(text, images); };
  command
      .add_option_function<std::string>("--images", take,
                                        "instead of a dataset: a folder of class folders, or a\n"
                                        "CSV file with the columns file and label; a number is\n"
                                        "--calibration_images")
      .type_name("PATH")
      .group(group);
}

}  // namespace

void add_calibration_options(Command& command, CalibrationImages& images, ImagesOption option,
                             const std::string& group) {
  ImageSource& source = images.source;
  source.image_size = 0;
  add_images_option(command, images, option, group);
  command
      .add_option(slim_flag("dataset_name"), source.dataset_name,
                  "cifar10, fashion_mnist, imagenet or flowers")
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
  command
      .add_option(slim_flag("calibration_images"), images.count, "how many, spread over the split")
      .in_range(2, kMostImages)
      .capture_default_str()
      .group(group);
  command
      .add_option(slim_flag("preprocessing_name"), source.preprocessing_name,
                  "vgg, inception, cifarnet, lenet or imagenet; default\nthat of the network")
      .type_name("NAME")
      .group(group);
  command
      .add_option(slim_flag("eval_image_size"), source.image_size,
                  "height and width that the network sees")
      .in_range(0, 8192)
      .capture_default_str()
      .group(group);
  command
      .add_option(slim_flag("resize_side"), source.resize_side,
                  "vgg, imagenet: smaller side of the image before the crop")
      .in_range(1, 16384)
      .capture_default_str()
      .group(group);
  add_recipe_flags(command, source, group);
}

}  // namespace narrow
