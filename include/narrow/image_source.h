// Which images a network sees, and how they are made for it.
#pragma once

#include <filesystem>
#include <string>

namespace narrow {

// One split of a dataset in TF-Slim's record form. Jobs say which of its images they take.
struct ImageSource {
  std::string dataset_name = {};           // "cifar10", "fashion_mnist"
  std::filesystem::path dataset_dir = {};  // where its TFRecord files are
  std::string dataset_split_name = "test";
  int labels_offset = 0;                // subtracted from every label
  std::string preprocessing_name = {};  // empty: that of the network
  int image_size = 224;                 // height and width of what the network sees
  int resize_side = 256;                // smaller side before the crop to image_size
};

}  // namespace narrow
