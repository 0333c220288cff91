// From decoded pixels to what a network reads: the preprocessing functions of TF-Slim
// (tensorflow/models, research/slim/preprocessing) that this library knows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/random.h"
#include "data/images/image.h"

namespace narrow {

enum class PreprocessingKind {
  kVgg,       // resize the smaller side, crop, subtract the mean colour: ResNets and VGG
  kCifarnet,  // pad or crop, standardize every image by itself
};

// "vgg", "cifarnet".
std::string_view to_string(PreprocessingKind kind) noexcept;

// The preprocessing of a model ("resnet_v1_50") or of that name ("vgg"), from Slim's table.
// Throws Error(kUnsupported) for a name of Slim's table that is not here, Error(kUsage) for others.
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

struct PreprocessingOptions {
  PreprocessingKind kind = PreprocessingKind::kVgg;
  // Height and width of the result: Slim's --eval_image_size and --train_image_size. It is the size
  // of the crop only: the scale at which the image is seen is set by the sides below.
  int output_size = 224;
  // kVgg: the smaller side of the image before the crop, when evaluating. Slim's value is 256; with
  // the image's own side the pixels stay as they are.
  int resize_side = 256;
  // kVgg: the bounds, both included, between which that side is drawn when training with kSlim.
  int resize_side_min = 256;
  int resize_side_max = 512;
  Augmentation augmentation = Augmentation::kSlim;
};

// Throws Error(kUsage): a size outside 1..16384, the smallest side above the largest.
void validate(const PreprocessingOptions& options);

// Floats of one preprocessed image: output_size * output_size * 3, height, width, channel.
std::size_t preprocessed_size(const PreprocessingOptions& options);

// The deterministic path. kVgg equals TensorFlow bit for bit. kCifarnet: the mean and the deviation
// of an image are rounded once from double, so they do not depend on an order of summation.
// Throws Error(kUsage) when `out` has another size than preprocessed_size or the crop is larger
// than the resized image.
void preprocess_for_evaluation(const Image& image, const PreprocessingOptions& options,
                               std::span<float> out);

// The random path. kSlim draws from `random` in this order: kVgg side, row, column, flip; kCifarnet
// row, column, flip, brightness, contrast. kCifar draws row, column, flip: the smaller side becomes
// output_size, and the window of that size moves by up to 4 pixels over the preprocessed image's
// centre, with zeros around it (the mean colour). Throws as above.
void preprocess_for_training(const Image& image, const PreprocessingOptions& options,
                             RandomStream& random, std::span<float> out);

}  // namespace narrow
