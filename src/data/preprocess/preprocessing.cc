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
  PreprocessingKind kind;
  std::string_view names;  // with a blank before and after each
};

// Slim's preprocessing_factory, with two more widths of mobilenet_v2, and "imagenet".
constexpr auto kNames = std::to_array<NamedKind>({
    {PreprocessingKind::kVgg,
     " vgg vgg_a vgg_16 vgg_19 resnet_v1_50 resnet_v1_101 resnet_v1_152 resnet_v1_200 resnet_v2_50 "
     "resnet_v2_101 resnet_v2_152 resnet_v2_200 "},
    {PreprocessingKind::kInception,
     " inception inception_v1 inception_v2 inception_v3 inception_v4 inception_resnet_v2 "
     "mobilenet_v1 mobilenet_v1_075 mobilenet_v1_050 mobilenet_v1_025 mobilenet_v2 "
     "mobilenet_v2_140 mobilenet_v2_075 mobilenet_v2_050 mobilenet_v2_035 nasnet_mobile "
     "nasnet_large pnasnet_mobile pnasnet_large "},
    {PreprocessingKind::kCifarnet, " cifarnet "},
    {PreprocessingKind::kLenet, " lenet "},
    {PreprocessingKind::kImagenet, " imagenet "},
});

// torchvision's 0.229, 0.224, 0.225 of 255.
constexpr Color kImagenetDeviation = {58.395F, 57.12F, 57.375F};

bool cuts_or_pads(PreprocessingKind kind) {
  return kind == PreprocessingKind::kCifarnet || kind == PreprocessingKind::kLenet;
}

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
  const bool has_numbers = options.mean || options.deviation;
  require(options.kind != PreprocessingKind::kCifarnet || !has_numbers,
          "cifarnet takes mean and deviation from every image, so they cannot be given");
  require((options.kind != PreprocessingKind::kInception &&
           options.kind != PreprocessingKind::kLenet) ||
              !has_numbers,
          "inception and lenet have a mean and a deviation of their own, so they cannot be given");
  require(!cuts_or_pads(options.kind) || options.resize == ResizeMode::kCrop,
          "cifarnet and lenet cut or pad images and never resize them, so they can only crop");
  require(options.kind != PreprocessingKind::kInception || options.resize == ResizeMode::kCrop,
          "inception always stretches the middle of an image, so it can only crop");
  require(
      options.kind == PreprocessingKind::kImagenet ||
          options.interpolation == Interpolation::kBilinear,
      "bicubic interpolation is for the preprocessing imagenet; vgg and inception are bilinear, "
      "cifarnet and lenet do not resize");
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
    case PreprocessingKind::kInception:
      return "inception";
    case PreprocessingKind::kCifarnet:
      return "cifarnet";
    case PreprocessingKind::kLenet:
      return "lenet";
    case PreprocessingKind::kImagenet:
      break;
  }
  return "imagenet";
}

PreprocessingKind preprocessing_for(std::string_view name) {
  const std::string wanted = fmt::format(" {} ", name);
  for (const NamedKind& row : kNames) {
    const bool is_there = row.names.find(wanted) != std::string_view::npos;
    if (is_there && name.find(' ') == std::string_view::npos) return row.kind;
  }
  throw Error(ErrorCategory::kUsage,
              fmt::format("Preprocessing name [{}] was not recognized; choose vgg, inception, "
                          "cifarnet, lenet, imagenet or a model such as resnet_v1_50",
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
  if (cuts_or_pads(options.kind)) return;
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
          "Slim's augmentation crops at random as vgg, inception or cifarnet; choose the "
          "augmentation none or cifar for another preprocessing");
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

float uniform_between(RandomStream& random, double low, double high) {
  return static_cast<float>(low + (high - low) * random.uniform());
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
    case PreprocessingKind::kInception:
      inception_for_evaluation(image, options, out);
      break;
    case PreprocessingKind::kLenet:
      lenet_for_evaluation(image, options, out);
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
  } else if (options.kind == PreprocessingKind::kInception) {
    inception_for_training(image, options, random, out);
  } else if (options.kind == PreprocessingKind::kLenet) {
    lenet_for_evaluation(image, options, out);  // nothing is random in Slim's
  } else {
    cifarnet_for_training(image, options, random, out);
  }
  finish(options, out);
}

}  // namespace narrow
