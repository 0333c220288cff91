#include "data/encoded_images.h"

#include <utility>

#include "base/bytes.h"
#include "base/file.h"
#include "data/records/example.h"

namespace narrow {
namespace {

// Encoded pictures within the limits of decoders are smaller, but for what they carry besides.
constexpr std::uint64_t kMaxPictureBytes = std::uint64_t{1} << 29;

}  // namespace

EncodedImages::EncodedImages(TfRecordShards records, const DecodeOptions& decoding)
    : images_(std::move(records)), decoding_(decoding) {}

EncodedImages::EncodedImages(PictureList pictures, const DecodeOptions& decoding)
    : images_(std::move(pictures)), decoding_(decoding) {}

std::size_t EncodedImages::size() const {
  if (const auto* list = std::get_if<PictureList>(&images_)) return list->pictures.size();
  return std::get<TfRecordShards>(images_).size();
}

const std::filesystem::path& EncodedImages::path() const {
  if (const auto* list = std::get_if<PictureList>(&images_)) return list->path;
  return std::get<TfRecordShards>(images_).path();
}

std::vector<std::filesystem::path> EncodedImages::files() const {
  std::vector<std::filesystem::path> files;
  if (const auto* list = std::get_if<PictureList>(&images_)) {
    for (const Picture& picture : list->pictures) files.emplace_back(picture.path);
  } else {
    for (const TfRecordFile& file : std::get<TfRecordShards>(images_).files()) {
      files.push_back(file.path());
    }
  }
  return files;
}

std::uint64_t EncodedImages::size_bytes() const {
  if (const auto* records = std::get_if<TfRecordShards>(&images_)) return records->size_bytes();
  std::uint64_t bytes = 0;
  for (const auto& file : files()) bytes += InputFile(file).size();
  return bytes;
}

std::string EncodedImages::describe(std::size_t index) const {
  if (const auto* list = std::get_if<PictureList>(&images_)) return list->pictures.at(index).path;
  return std::get<TfRecordShards>(images_).describe(index);
}

EncodedImage EncodedImages::read(std::size_t index) const {
  if (const auto* list = std::get_if<PictureList>(&images_)) {
    const Picture& picture = list->pictures.at(index);
    return {read_small_file(picture.path, kMaxPictureBytes), picture.label};
  }
  const auto& records = std::get<TfRecordShards>(images_);
  std::vector<std::byte> record;
  records.read(index, record);
  ImageExample example = parse_image_example(record, records.describe(index));
  return {std::move(example.encoded), example.label};
}

Image EncodedImages::decode(const EncodedImage& image, std::size_t index) const {
  return decode_image(as_byte_span(image.bytes), describe(index), decoding_);
}

Image read_image(const EncodedImages& images, std::size_t index) {
  return images.decode(images.read(index), index);
}

}  // namespace narrow
