// One function a preprocessing and mode; see preprocessing.h for their contract. Those that
// subtract a mean do not divide by the deviation, whose default kImagenet alone has: that, and the
// order of channels, comes after them. A border that they leave is 0 before they are called.
#pragma once

#include "data/preprocess/preprocessing.h"

namespace narrow {

void vgg_for_evaluation(const Image& image, const PreprocessingOptions& options,
                        std::span<float> out);
void vgg_for_training(const Image& image, const PreprocessingOptions& options, RandomStream& random,
                      std::span<float> out);
void imagenet_for_evaluation(const Image& image, const PreprocessingOptions& options,
                             std::span<float> out);
void inception_for_evaluation(const Image& image, const PreprocessingOptions& options,
                              std::span<float> out);
void inception_for_training(const Image& image, const PreprocessingOptions& options,
                            RandomStream& random, std::span<float> out);
void lenet_for_evaluation(const Image& image, const PreprocessingOptions& options,
                          std::span<float> out);
void cifarnet_for_evaluation(const Image& image, const PreprocessingOptions& options,
                             std::span<float> out);
void cifarnet_for_training(const Image& image, const PreprocessingOptions& options,
                           RandomStream& random, std::span<float> out);

// Augmentation::kCifar, for either kind.
void shifted_for_training(const Image& image, const PreprocessingOptions& options,
                          RandomStream& random, std::span<float> out);

// Uniform between the two, rounded to float32.
float uniform_between(RandomStream& random, double low, double high);

// A crop of `crop` pixels from a side of `side`; TensorFlow's sentence, and what to do.
[[noreturn]] void throw_crop_too_large(int crop, std::int64_t side);

}  // namespace narrow
