#include "tasks/source_images.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "narrow/error.h"

namespace narrow {
namespace {

int resize_side_of(const ImageSource& source) {
  if (source.crop_pct == 0) return source.resize_side;
  if (!(source.crop_pct > 0 && source.crop_pct <= 1)) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("the share of the side that a crop shows is {}; it must be above 0 and "
                            "at most 1",
                            source.crop_pct));
  }
  const double side = std::floor(source.image_size / source.crop_pct);
  return static_cast<int>(std::min(side, double{kMaxImageSide} + 1));
}

DecodeOptions decoding_of(const ImageSource& source) {
  DecodeOptions decoding = source.pictures.empty() ? kTensorFlowDecoding : kPillowDecoding;
  if (!source.jpeg_dct.empty()) decoding.jpeg_dct = parse_jpeg_dct(source.jpeg_dct);
  return decoding;
}

// For those who want images.
void require_images(const ImageSource& source) {
  require_one_source(source);
  if (source.inputs.empty()) return;
  throw Error(
      ErrorCategory::kUsage,
      fmt::format("the arrays of {} are no images, which are needed here", source.inputs.string()));
}

}  // namespace

void require_one_source(const ImageSource& source) {
  const bool has_dataset = !source.dataset_name.empty() || !source.dataset_dir.empty();
  if (!source.inputs.empty() && (has_dataset || !source.pictures.empty())) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("examples come from the arrays of {} or from {}, not from both",
                            source.inputs.string(), has_dataset ? "a dataset" : "pictures"));
  }
  if (source.pictures.empty() || !has_dataset) return;
  throw Error(ErrorCategory::kUsage,
              fmt::format("images come from the pictures of {} or from a dataset, not from both",
                          source.pictures.string()));
}

PreprocessingOptions preprocessing_of(const ImageSource& source) {
  PreprocessingOptions preprocessing;
  // That of every ResNet V1 in Slim's table is kVgg; a variant is seen like them.
  if (!source.preprocessing_name.empty()) {
    preprocessing.kind = preprocessing_for(source.preprocessing_name);
  }
  preprocessing.output_size = source.image_size;
  preprocessing.resize_side = resize_side_of(source);
  preprocessing.resize = parse_resize_mode(source.resize);
  preprocessing.interpolation = parse_interpolation(source.interpolation);
  preprocessing.mean = source.mean;
  preprocessing.deviation = source.deviation;
  preprocessing.channel_order = parse_channel_order(source.channel_order);
  validate(preprocessing);
  return preprocessing;
}

Dataset open_dataset(const ImageSource& source) {
  require_images(source);
  const DecodeOptions decoding = decoding_of(source);
  if (!source.pictures.empty()) {
    return Dataset(list_pictures(source.pictures), source.labels_offset, decoding);
  }
  return {source.dataset_dir, find_dataset_spec(source.dataset_name), source.dataset_split_name,
          source.labels_offset, decoding};
}

EncodedImages open_records(const ImageSource& source) {
  require_images(source);
  const DecodeOptions decoding = decoding_of(source);
  if (!source.pictures.empty()) return EncodedImages(list_pictures(source.pictures), decoding);
  return EncodedImages(open_split(source.dataset_dir, find_dataset_spec(source.dataset_name),
                                  source.dataset_split_name),
                       decoding);
}

std::string describe_changes(const ImageSource& source) {
  std::string changes = describe_changes(preprocessing_of(source));
  const JpegDct usual =
      source.pictures.empty() ? kTensorFlowDecoding.jpeg_dct : kPillowDecoding.jpeg_dct;
  if (decoding_of(source).jpeg_dct == usual) return changes;
  if (!changes.empty()) changes += ", ";
  return changes + fmt::format("{} DCT", source.jpeg_dct);
}

}  // namespace narrow
