// Images as they lie on disk, with their labels, numbered from 0 on: the records of TFRecord files
// or picture files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include "data/images/image.h"
#include "data/pictures/picture_list.h"
#include "data/records/tfrecord_shards.h"

namespace narrow {

struct EncodedImage {
  std::string bytes;  // a whole PNG or JPEG file
  std::int64_t label = 0;
};

// Safe to use from several threads.
class EncodedImages {
 public:
  // Records are decoded as TensorFlow does unless `decoding` says something else, pictures as
  // Pillow does.
  explicit EncodedImages(TfRecordShards records,
                         const DecodeOptions& decoding = kTensorFlowDecoding);
  explicit EncodedImages(PictureList pictures, const DecodeOptions& decoding = kPillowDecoding);

  [[nodiscard]] std::size_t size() const;
  // Stands for all of them in reports.
  [[nodiscard]] const std::filesystem::path& path() const;
  [[nodiscard]] std::vector<std::filesystem::path> files() const;
  [[nodiscard]] std::uint64_t size_bytes() const;  // of these files
  [[nodiscard]] const DecodeOptions& decoding() const { return decoding_; }

  // "record 3 at byte 99 of FILE", or the picture's file.
  [[nodiscard]] std::string describe(std::size_t index) const;
  // Throws Error(kCorrupt) naming a damaged record, and what reading a file throws.
  [[nodiscard]] EncodedImage read(std::size_t index) const;
  // What `read` gave for this index. Throws what decode_image does.
  [[nodiscard]] Image decode(const EncodedImage& image, std::size_t index) const;

 private:
  std::variant<TfRecordShards, PictureList> images_;
  DecodeOptions decoding_;
};

// The image at `index`, whatever its label is. Throws as read and decode do.
Image read_image(const EncodedImages& images, std::size_t index);

}  // namespace narrow
