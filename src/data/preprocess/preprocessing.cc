#include "data/preprocess/preprocessing.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "data/preprocess/preprocessing_kinds.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr int kMaxSide = static_cast<int>(kMaxImageSide);

struct NamedKind {
  std::string_view name;
  PreprocessingKind kind;
};

// The rows of Slim's preprocessing_factory that lead to the two kinds.
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
});

constexpr auto kOtherPrefixes =
    std::to_array<std::string_view>({"inception", "lenet", "mobilenet", "nasnet", "pnasnet"});

void check_side(const char* what, int side) {
  if (side >= 1 && side <= kMaxSide) return;
  throw Error(ErrorCategory::kUsage,
              fmt::format("the {} is {}; it must lie in 1..{}", what, side, kMaxSide));
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
  return kind == PreprocessingKind::kVgg ? "vgg" : "cifarnet";
}

PreprocessingKind preprocessing_for(std::string_view name) {
  const auto* found = std::find_if(kNames.begin(), kNames.end(),
                                   [&](const NamedKind& row) { return row.name == name; });
  if (found != kNames.end()) return found->kind;
  for (const std::string_view prefix : kOtherPrefixes) {
    if (!name.starts_with(prefix)) continue;
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("the preprocessing of {} is not part of this library; choose vgg or "
                            "cifarnet",
                            name));
  }
  throw Error(ErrorCategory::kUsage, fmt::format("Preprocessing name [{}] was not recognized; "
                                                 "choose vgg, cifarnet or a model such as "
                                                 "resnet_v1_50",
                                                 name));
}

Augmentation parse_augmentation(std::string_view name) {
  if (name == "none") return Augmentation::kNone;
  if (name == "slim") return Augmentation::kSlim;
  if (name == "cifar") return Augmentation::kCifar;
  throw Error(ErrorCategory::kUsage,
              fmt::format("there is no augmentation {}; choose none, slim or cifar", name));
}

void validate(const PreprocessingOptions& options) {
  check_side("image size", options.output_size);
  if (options.kind != PreprocessingKind::kVgg) return;
  check_side("resize side", options.resize_side);
  check_side("smallest resize side", options.resize_side_min);
  check_side("largest resize side", options.resize_side_max);
  if (options.resize_side_min > options.resize_side_max) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("the smallest resize side {} is above the largest, {}",
                            options.resize_side_min, options.resize_side_max));
  }
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
  if (options.kind == PreprocessingKind::kVgg) {
    vgg_for_evaluation(image, options, out);
  } else {
    cifarnet_for_evaluation(image, options, out);
  }
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
  } else if (options.kind == PreprocessingKind::kVgg) {
    vgg_for_training(image, options, random, out);
  } else {
    cifarnet_for_training(image, options, random, out);
  }
}

}  // namespace narrow
