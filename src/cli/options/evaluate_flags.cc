#include "cli/options/evaluate_flags.h"

#include <fmt/format.h>

#include "cli/options/dataset_flags.h"
#include "cli/options/recipe_flags.h"
#include "cli/options/slim_flags.h"

namespace narrow {

void add_dataset_options(Command& command, ImageSource& images, int& batch_size,
                         std::uint64_t& max_num_batches) {
  add_dataset_flags(command, images);
  images.image_size = 0;
  command
      .add_option(slim_flag("eval_image_size"), images.image_size,
                  "height and width that the network sees; 0: what it\nwas made for, or 224")
      .in_range(0, 8192)
      .capture_default_str();
  command
      .add_option(slim_flag("resize_side"), images.resize_side,
                  "vgg, imagenet: smaller side of the image before the crop to that size")
      .in_range(1, 16384)
      .capture_default_str();
  add_recipe_flags(command, images);
  command.add_option(slim_flag("batch_size"), batch_size, "images of a batch")
      .in_range(1, 1 << 20)
      .capture_default_str();
  command
      .add_option(slim_flag("max_num_batches"), max_num_batches,
                  "evaluate so many batches only; 0: all")
      .capture_default_str();
}

std::vector<std::string> dataset_option_names() {
  return {"--dataset_split_name", "--labels_offset", "--preprocessing_name",
          "--eval_image_size",    "--resize_side",   "--batch_size",
          "--max_num_batches",    "--resize",        "--interpolation",
          "--crop_pct",           "--mean",          "--std",
          "--channel_order",      "--jpeg_dct"};
}

void add_examples_options(Command& command, ImageSource& images, int& batch_size,
                          std::uint64_t& max_num_batches) {
  command
      .add_option("--inputs", images.inputs,
                  "instead of images: arrays named like the network's inputs,\n"
                  "and possibly labels")
      .type_name("FILE.npz");
  add_dataset_options(command, images, batch_size, max_num_batches);
}

void require_examples(const ImageSource& images) {
  if (images.inputs.empty()) require_images(images);
}

bool EvaluateProgress::on_progress(std::uint64_t done, std::uint64_t total, ProgressUnit unit) {
  line_.update(done, total, unit, fmt::format("{} of {}", done, total));
  return !is_interrupted();
}

}  // namespace narrow
