#include "data/images/image.h"

#include <fmt/format.h>

#include <array>
#include <cstring>

#include "data/images/image_codecs.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::array<unsigned char, 8> kPngSignature = {0x89, 'P',  'N',  'G',
                                                        '\r', '\n', 0x1a, '\n'};
constexpr std::array<unsigned char, 3> kJpegSignature = {0xff, 0xd8, 0xff};

template <std::size_t N>
bool starts_with(std::span<const std::byte> bytes, const std::array<unsigned char, N>& signature) {
  return bytes.size() >= N && std::memcmp(bytes.data(), signature.data(), N) == 0;
}

}  // namespace

Image make_decoded_image(std::uint64_t height, std::uint64_t width, std::string_view place) {
  if (height == 0 || width == 0) {
    throw Error(
        ErrorCategory::kCorrupt,
        fmt::format("{}: the image is {} x {} pixels, so it is empty", place, width, height));
  }
  if (height > kMaxImageSide || width > kMaxImageSide || height * width > kMaxImagePixels) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{}: the image claims {} x {} pixels; at most {} a side and {} in all "
                            "are read",
                            place, width, height, kMaxImageSide, kMaxImagePixels));
  }
  Image image{static_cast<int>(height), static_cast<int>(width), {}};
  image.pixels.resize(static_cast<std::size_t>(height * width * kImageChannels));
  return image;
}

JpegDct parse_jpeg_dct(std::string_view name) {
  if (name == "fast") return JpegDct::kFast;
  if (name == "accurate") return JpegDct::kAccurate;
  throw Error(
      ErrorCategory::kUsage,
      fmt::format("there is no transform {} of JPEG images; choose fast or accurate", name));
}

Image decode_image(std::span<const std::byte> file, std::string_view place,
                   const DecodeOptions& options) {
  if (starts_with(file, kPngSignature)) return decode_png(file, place, options.rules);
  if (starts_with(file, kJpegSignature)) return decode_jpeg(file, place, options);
  if (file.empty()) {
    throw Error(ErrorCategory::kCorrupt, fmt::format("{}: the encoded image is empty", place));
  }
  throw Error(ErrorCategory::kUnsupported,
              fmt::format("{}: the {} bytes of the encoded image are neither PNG nor JPEG", place,
                          file.size()));
}

}  // namespace narrow
