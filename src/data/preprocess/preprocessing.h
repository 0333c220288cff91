// From decoded pixels to what a network reads: the preprocessing functions of TF-Slim
// (tensorflow/models, research/slim/preprocessing) that this library knows, that of torchvision's
// ImageNet classifiers, and numbers that may be given for them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/random.h"
#include "data/images/image.h"
#include "data/images/pillow_resize.h"

namespace narrow {

enum class PreprocessingKind {
  kVgg,        // resize the smaller side, crop, subtract the mean colour: ResNets and VGG
  kInception,  // cut out the middle 87.5 %, stretch it to a square, values from -1 to 1
  kCifarnet,   // pad or crop, standardize every image by itself
  kLenet,      // pad or crop, (value - 128) / 128
  // torchvision: Pillow's antialiased resize of the smaller side, crop, subtract the mean colour
  // 123.675, 116.28, 103.53, divide by the deviation 58.395, 57.12, 57.375
  kImagenet,
};

// "vgg", "inception", "cifarnet", "lenet", "imagenet".
std::string_view to_string(PreprocessingKind kind) noexcept;

// The preprocessing of a model ("resnet_v1_50") or of that name ("vgg"), from Slim's table, or
// "imagenet". Throws Error(kUsage) for others; alexnet_v2 and overfeat are not in Slim's table.
PreprocessingKind preprocessing_for(std::string_view name);

// What is random about an image that a network is trained on.
enum class Augmentation {
  kNone,   // nothing: it is seen as in evaluation
  kSlim,   // what Slim's preprocessing of that kind does
  kCifar,  // shifted by up to 4 pixels and flipped (He et al., "Deep Residual Learning for Image
           // Recognition", CVPR 2016, section 4.2)
};

// "none", "slim", "cifar"; throws Error(kUsage) naming the three.
Augmentation parse_augmentation(std::string_view name);

// How an image of any shape becomes a square.
enum class ResizeMode {
  kCrop,       // the smaller side becomes resize_side, and the middle is cut out
  kStretch,    // both sides become the square's
  kLetterbox,  // the larger side becomes the square's; beside the image the values are 0
};

// "crop", "stretch", "letterbox"; parse_resize_mode throws Error(kUsage) naming the three.
std::string_view to_string(ResizeMode mode) noexcept;
ResizeMode parse_resize_mode(std::string_view name);

enum class ChannelOrder { kRgb, kBgr };

// "rgb", "bgr"; throws Error(kUsage) naming the two.
ChannelOrder parse_channel_order(std::string_view name);

using Color = std::array<float, kImageChannels>;  // red, green, blue

struct PreprocessingOptions {
  PreprocessingKind kind = PreprocessingKind::kVgg;
  // Height and width of the result: Slim's --eval_image_size and --train_image_size. It is the size
  // of the crop only: the scale at which the image is seen is set by the sides below.
  int output_size = 224;
  // kVgg, kImagenet: the smaller side of the image before the crop, when evaluating. Slim's value
  // is 256; with the image's own side the pixels stay as they are.
  int resize_side = 256;
  // kVgg: the bounds, both included, between which that side is drawn when training with kSlim.
  int resize_side_min = 256;
  int resize_side_max = 512;
  Augmentation augmentation = Augmentation::kSlim;
  ResizeMode resize = ResizeMode::kCrop;                   // kVgg and kImagenet
  Interpolation interpolation = Interpolation::kBilinear;  // kImagenet; kVgg is bilinear
  // On the scale 0..255, subtracted and then divided by; absent: those of the kind, for kVgg
  // 123.68, 116.78, 103.94 and 1. kCifarnet takes both from the image, those of kInception and
  // kLenet are fixed.
  std::optional<Color> mean = {};
  std::optional<Color> deviation = {};
  ChannelOrder channel_order = ChannelOrder::kRgb;  // of the result; the colours stay red first
};

// Throws Error(kUsage): a size outside 1..16384, the smallest side above the largest, a deviation
// that is not above 0, something that the kind does not have.
void validate(const PreprocessingOptions& options);
// Also for a random crop that the kind does not have or that contradicts how it resizes.
void validate_for_training(const PreprocessingOptions& options);

// What is not as the kind has it by itself: "letterbox, bicubic, mean 127,127,127, std 128,128,128,
// bgr"; empty when nothing is.
std::string describe_changes(const PreprocessingOptions& options);

// Floats of one preprocessed image: output_size * output_size * 3, height, width, channel.
std::size_t preprocessed_size(const PreprocessingOptions& options);

// The deterministic path. kVgg, kInception and kLenet equal TensorFlow bit for bit, the pixels of
// kImagenet Pillow.
// kCifarnet: the mean and the deviation of an image are rounded once from double, so they do not
// depend on an order of summation. Throws Error(kUsage) when `out` has another size than
// preprocessed_size or the crop is larger than the resized image.
void preprocess_for_evaluation(const Image& image, const PreprocessingOptions& options,
                               std::span<float> out);

// The random path. kSlim draws from `random` in this order: kVgg side, row, column, flip; kCifarnet
// row, column, flip, brightness, contrast; kInception box, flip, brightness, saturation. kCifar
// draws row, column, flip: the smaller side becomes output_size, and the window of that size moves
// by up to 4 pixels over the preprocessed image's centre, with zeros around it (the mean colour).
// Throws as above.
void preprocess_for_training(const Image& image, const PreprocessingOptions& options,
                             RandomStream& random, std::span<float> out);

}  // namespace narrow
