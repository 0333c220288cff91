// Which images a network sees, and how they are made for it.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>

namespace narrow {

// One split of a dataset in TF-Slim's record form, pictures, or arrays. Jobs say which of its
// images they take. The numbers that are not given are those of the preprocessing.
struct ImageSource {
  // Instead of a dataset: a folder with a folder of JPEG and PNG files for each class, or a CSV
  // file with the columns `file`, relative to it, and `label`, a number or the name of a class.
  // Classes are in the order of their names by bytes.
  std::filesystem::path pictures = {};
  // Instead of both, where networks are evaluated: an NPZ file with an array that is named like the
  // network's input and fed as it is, and, if there are any, the `labels` of its examples. What is
  // below says nothing then, but for labels_offset.
  std::filesystem::path inputs = {};
  std::string dataset_name = {};           // "cifar10", "fashion_mnist", "imagenet", "flowers"
  std::filesystem::path dataset_dir = {};  // where its TFRecord files are
  std::string dataset_split_name = "test";
  int labels_offset = 0;  // subtracted from every label
  // "vgg", "inception", "cifarnet", "lenet", "imagenet"; empty: that of the network, which an ONNX
  // file does not tell.
  std::string preprocessing_name = {};
  // Height and width of what the network sees; 0: what it was made for, or 224.
  int image_size = 224;
  int resize_side = 256;  // smaller side before the crop to image_size
  // Not 0: the share of that side which the crop shows. resize_side is then image_size / crop_pct,
  // rounded down.
  double crop_pct = 0;
  std::string resize = "crop";  // "stretch" to the size, "letterbox": whole, with a border
  std::string interpolation = "bilinear";  // of imagenet: "bicubic"
  // Red, green, blue on the scale 0..255: subtracted, and then divided by.
  std::optional<std::array<float, 3>> mean = {};
  std::optional<std::array<float, 3>> deviation = {};
  std::string channel_order = "rgb";  // that the network sees: "bgr"
  // "fast": TensorFlow's, "accurate": Pillow's; empty: that of datasets and that of pictures.
  std::string jpeg_dct = {};

  // Whether there is something that can go through a network.
  [[nodiscard]] bool has_examples() const {
    return !pictures.empty() || !dataset_name.empty() || !inputs.empty();
  }
  // How reports name the images: "cifar10" and "test", or the file or folder and "pictures" or
  // "inputs".
  [[nodiscard]] std::string name() const {
    if (!inputs.empty()) return inputs.filename().string();
    if (pictures.empty()) return dataset_name;
    return (pictures.has_filename() ? pictures : pictures.parent_path()).filename().string();
  }
  [[nodiscard]] std::string split() const {
    if (!inputs.empty()) return "inputs";
    return pictures.empty() ? dataset_split_name : "pictures";
  }
};

}  // namespace narrow
