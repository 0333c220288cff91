#include "data/convert/cifar10_batch.h"

#include <fmt/format.h>

#include <algorithm>

#include "narrow/error.h"

namespace narrow {

CifarBatch parse_cifar10_binary(std::span<const std::byte> bytes, std::size_t rows,
                                std::string_view place) {
  constexpr std::size_t kRowBytes = 1 + kCifarPixelBytes;
  if (bytes.size() / kRowBytes != rows || bytes.size() % kRowBytes != 0) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{} has {} bytes; {} images of {} bytes are expected", place,
                            bytes.size(), rows, kRowBytes));
  }
  CifarBatch batch;
  batch.labels.reserve(rows);
  batch.planes.resize(rows * kCifarPixelBytes);
  for (std::size_t row = 0; row < rows; ++row) {
    const auto image = bytes.subspan(row * kRowBytes, kRowBytes);
    const auto label = std::to_integer<std::uint8_t>(image[0]);
    if (label >= kCifarClasses) {
      throw Error(ErrorCategory::kCorrupt,
                  fmt::format("{}: image {} at byte {} has the label {}; labels are 0..9", place,
                              row, row * kRowBytes, label));
    }
    batch.labels.push_back(label);
    std::transform(image.begin() + 1, image.end(),
                   batch.planes.begin() + static_cast<std::ptrdiff_t>(row * kCifarPixelBytes),
                   [](std::byte value) { return std::to_integer<std::uint8_t>(value); });
  }
  return batch;
}

Image cifar10_image(const CifarBatch& batch, std::size_t row) {
  const std::uint8_t* planes = batch.planes.data() + row * kCifarPixelBytes;
  Image image{kCifarSide, kCifarSide, std::vector<std::uint8_t>(kCifarPixelBytes)};
  for (std::size_t pixel = 0; pixel < kCifarPlaneBytes; ++pixel) {
    for (std::size_t c = 0; c < kImageChannels; ++c) {
      image.pixels[pixel * kImageChannels + c] = planes[c * kCifarPlaneBytes + pixel];
    }
  }
  return image;
}

}  // namespace narrow
