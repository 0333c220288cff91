#include "data/preprocess/preprocessing.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "data/preprocess/preprocessing_kinds.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr int kMaxSide = static_cast<int>(kMaxImageSide);

struct NamedKind {
  std::string_view name;
  PreprocessingKind kind;
};

// The rows of Slim's preprocessing_factory that lead to two of the kinds, and the third.
constexpr auto kNames = std::to_array<NamedKind>({
    {"vgg", PreprocessingKind::kVgg},
    {"vgg_a", PreprocessingKind::kVgg},
    {"vgg_16", PreprocessingKind::kVgg},
    {"vgg_19", PreprocessingKind::kVgg},
    {"resnet_v1_50", PreprocessingKind::kVgg},
    {"resnet_v1_101", PreprocessingKind::kVgg},
    {"resnet_v1_152", PreprocessingKind::kVgg},
    {"resnet_v1_200", PreprocessingKind::kVgg},
    {"resnet_v2_50", PreprocessingKind::kVgg},
    {"resnet_v2_101", PreprocessingKind::kVgg},
    {"resnet_v2_152", PreprocessingKind::kVgg},
    {"resnet_v2_200", PreprocessingKind::kVgg},
    {"cifarnet", PreprocessingKind::kCifarnet},
    {"imagenet", PreprocessingKind::kImagenet},
});

// torchvision's 0.229, 0.224, 0.225 of 255.
constexpr Color kImagenetDeviation = {58.395F, 57.12F, 57.375F};

constexpr auto kOtherPrefixes =
    std::to_array<std::string_view>({"inception", "lenet", "mobilenet", "nasnet", "pnasnet"});

void check_side(const char* what, int side) {
  if (side >= 1 && side <= kMaxSide) return;
  throw Error(ErrorCategory::kUsage,
              fmt::format("the {} is {}; it must lie in 1..{}", what, side, kMaxSide));
}

void require(bool holds, const char* sentence) {
  if (!holds) throw Error(ErrorCategory::kUsage, sentence);
}

void check_colors(const PreprocessingOptions& options) {
  const auto is_finite = [](float value) { return std::isfinite(value); };
  require(!options.mean || std::ranges::all_of(*options.mean, is_finite),
          "the mean colour has a value that is not finite");
  for (const float value : options.deviation.value_or(Color{1, 1, 1})) {
    if (std::isfinite(value) && value > 0) continue;
    throw Error(ErrorCategory::kUsage,
                fmt::format("the deviation of a channel is {}; it must be above 0", value));
  }
}

void check_kind(const PreprocessingOptions& options) {
  const bool is_cifarnet = options.kind == PreprocessingKind::kCifarnet;
  require(!is_cifarnet || (!options.mean && !options.deviation),
          "cifarnet takes mean and deviation from every image, so they cannot be given");
  require(!is_cifarnet || options.resize == ResizeMode::kCrop,
          "cifarnet cuts or pads images and never resizes them, so it can only crop");
  require(options.kind == PreprocessingKind::kImagenet ||
              options.interpolation == Interpolation::kBilinear,
          "bicubic interpolation is for the preprocessing imagenet; vgg is bilinear, and cifarnet "
          "does not resize");
}

// Divides by the deviation and puts the channels in order.
void finish(const PreprocessingOptions& options, std::span<float> out) {
  std::optional<Color> deviation = options.deviation;
  if (!deviation && options.kind == PreprocessingKind::kImagenet) deviation = kImagenetDeviation;
  if (deviation) {
    for (std::size_t i = 0; i < out.size(); i += kImageChannels) {
      for (std::size_t c = 0; c < kImageChannels; ++c) out[i + c] /= (*deviation)[c];
    }
  }
  if (options.channel_order == ChannelOrder::kRgb) return;
  for (std::size_t i = 0; i < out.size(); i += kImageChannels) std::swap(out[i], out[i + 2]);
}

void check_out(const Image& image, const PreprocessingOptions& options, std::span<float> out) {
  validate(options);
  if (out.size() != preprocessed_size(options)) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} floats were given for an image of {} x {} x 3", out.size(),
                            options.output_size, options.output_size));
  }
  if (image.height < 1 || image.width < 1) {
    throw Error(ErrorCategory::kUsage, "an image without pixels cannot be preprocessed");
  }
}

}  // namespace

std::string_view to_string(PreprocessingKind kind) noexcept {
  switch (kind) {
    case PreprocessingKind::kVgg:
      return "vgg";
    case PreprocessingKind::kCifarnet:
      return "cifarnet";
    case PreprocessingKind::kImagenet:
      break;
  }
  return "imagenet";
}

PreprocessingKind preprocessing_for(std::string_view name) {
  const auto* found = std::find_if(kNames.begin(), kNames.end(),
                                   [&](const NamedKind& row) { return row.name == name; });
  if (found != kNames.end()) return found->kind;
  for (const std::string_view prefix : kOtherPrefixes) {
    if (!name.starts_with(prefix)) continue;
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("the preprocessing of {} is not part of this library; choose vgg, "
                            "cifarnet or imagenet",
                            name));
  }
  throw Error(ErrorCategory::kUsage, fmt::format("Preprocessing name [{}] was not recognized; "
                                                 "choose vgg, cifarnet, imagenet or a model such "
                                                 "as resnet_v1_50",
                                                 name));
}

Augmentation parse_augmentation(std::string_view name) {
  if (name == "none") return Augmentation::kNone;
  if (name == "slim") return Augmentation::kSlim;
  if (name == "cifar") return Augmentation::kCifar;
  throw Error(ErrorCategory::kUsage,
              fmt::format("there is no augmentation {}; choose none, slim or cifar", name));
}

std::string_view to_string(ResizeMode mode) noexcept {
  switch (mode) {
    case ResizeMode::kCrop:
      return "crop";
    case ResizeMode::kStretch:
      return "stretch";
    case ResizeMode::kLetterbox:
      break;
  }
  return "letterbox";
}

ResizeMode parse_resize_mode(std::string_view name) {
  for (const auto mode : {ResizeMode::kCrop, ResizeMode::kStretch, ResizeMode::kLetterbox}) {
    if (name == to_string(mode)) return mode;
  }
  throw Error(ErrorCategory::kUsage,
              fmt::format("there is no way {} to resize; choose crop, stretch or letterbox", name));
}

ChannelOrder parse_channel_order(std::string_view name) {
  if (name == "rgb") return ChannelOrder::kRgb;
  if (name == "bgr") return ChannelOrder::kBgr;
  throw Error(ErrorCategory::kUsage,
              fmt::format("there is no channel order {}; choose rgb or bgr", name));
}

void validate(const PreprocessingOptions& options) {
  check_side("image size", options.output_size);
  check_kind(options);
  check_colors(options);
  if (options.kind == PreprocessingKind::kCifarnet) return;
  check_side("resize side", options.resize_side);
  check_side("smallest resize side", options.resize_side_min);
  check_side("largest resize side", options.resize_side_max);
  if (options.resize_side_min > options.resize_side_max) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("the smallest resize side {} is above the largest, {}",
                            options.resize_side_min, options.resize_side_max));
  }
}

void validate_for_training(const PreprocessingOptions& options) {
  validate(options);
  if (options.augmentation != Augmentation::kSlim) return;
  require(options.kind != PreprocessingKind::kImagenet && options.resize == ResizeMode::kCrop,
          "Slim's augmentation crops at random as vgg or cifarnet; choose the augmentation none or "
          "cifar for another preprocessing");
}

std::string describe_changes(const PreprocessingOptions& options) {
  const auto color = [](const Color& values) {
    return fmt::format("{},{},{}", values[0], values[1], values[2]);
  };
  std::vector<std::string> changes;
  if (options.resize != ResizeMode::kCrop) changes.emplace_back(to_string(options.resize));
  if (options.interpolation != Interpolation::kBilinear) {
    changes.emplace_back(to_string(options.interpolation));
  }
  if (options.mean) changes.push_back("mean " + color(*options.mean));
  if (options.deviation) changes.push_back("std " + color(*options.deviation));
  if (options.channel_order == ChannelOrder::kBgr) changes.emplace_back("bgr");
  return fmt::format("{}", fmt::join(changes, ", "));
}

std::size_t preprocessed_size(const PreprocessingOptions& options) {
  const auto side = static_cast<std::size_t>(options.output_size);
  return side * side * kImageChannels;
}

void throw_crop_too_large(int crop, std::int64_t side) {
  throw Error(ErrorCategory::kUsage,
              fmt::format("Crop size greater than the image size: {} pixels are to be cut from a "
                          "side of {}; choose a smaller image size or a larger resize side",
                          crop, side));
}

void preprocess_for_evaluation(const Image& image, const PreprocessingOptions& options,
                               std::span<float> out) {
  check_out(image, options, out);
  if (options.resize == ResizeMode::kLetterbox) std::ranges::fill(out, 0.0F);
  switch (options.kind) {
    case PreprocessingKind::kVgg:
      vgg_for_evaluation(image, options, out);
      break;
    case PreprocessingKind::kCifarnet:
      cifarnet_for_evaluation(image, options, out);
      break;
    case PreprocessingKind::kImagenet:
      imagenet_for_evaluation(image, options, out);
      break;
  }
  finish(options, out);
}

void preprocess_for_training(const Image& image, const PreprocessingOptions& options,
                             RandomStream& random, std::span<float> out) {
  if (options.augmentation == Augmentation::kNone) {
    preprocess_for_evaluation(image, options, out);
    return;
  }
  check_out(image, options, out);
  if (options.augmentation == Augmentation::kCifar) {
    shifted_for_training(image, options, random, out);
    return;
  }
  validate_for_training(options);
  if (options.kind == PreprocessingKind::kVgg) {
    vgg_for_training(image, options, random, out);
  } else {
    cifarnet_for_training(image, options, random, out);
  }
  finish(options, out);
}

}  // namespace narrow
