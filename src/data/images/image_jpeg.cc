#include <fmt/format.h>
#include <turbojpeg.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/bytes.h"
#include "data/images/image_codecs.h"
#include "narrow/error.h"

namespace narrow {
namespace {

// The scan limit stops progressive files made of thousands of scans over the same pixels.
int flags_of(JpegDct dct) {
  return TJFLAG_LIMITSCANS | (dct == JpegDct::kFast ? TJFLAG_FASTDCT : TJFLAG_ACCURATEDCT);
}

struct HandleDeleter {
  void operator()(void* handle) const { tjDestroy(handle); }
};
using Handle = std::unique_ptr<void, HandleDeleter>;

// TensorFlow and Pillow decode files with bytes out of place, but not those that end too early.
bool is_harmless_warning(void* handle) {
  return tjGetErrorCode(handle) == TJERR_WARNING &&
         std::strstr(tjGetErrorStr2(handle), "Premature end") == nullptr;
}

[[noreturn]] void throw_corrupt(std::string_view place, void* handle) {
  throw Error(ErrorCategory::kCorrupt, fmt::format("{}: the JPEG image cannot be decoded: {}",
                                                   place, tjGetErrorStr2(handle)));
}

// Whether the file has Adobe's APP14 marker; its CMYK values are stored inverted.
bool has_adobe_marker(std::span<const std::byte> file) {
  constexpr std::string_view kAdobe = "Adobe";
  constexpr auto kApp14 = std::byte{0xee};
  constexpr auto kStartOfScan = std::byte{0xda};
  std::size_t at = 2;
  while (at + 4 + kAdobe.size() <= file.size() && file[at] == std::byte{0xff}) {
    const auto length = std::to_integer<std::size_t>(file[at + 2]) << 8 |
                        std::to_integer<std::size_t>(file[at + 3]);
    if (file[at + 1] == kStartOfScan) return false;
    if (file[at + 1] == kApp14 && std::memcmp(&file[at + 4], kAdobe.data(), kAdobe.size()) == 0) {
      return true;
    }
    at += 2 + length;
  }
  return false;
}

// TensorFlow's conversion (tensorflow/core/lib/jpeg): integer division, no colour profile.
void cmyk_to_rgb(std::span<const std::uint8_t> cmyk, bool inverted, std::span<std::uint8_t> rgb) {
  const std::size_t pixels = rgb.size() / kImageChannels;
  for (std::size_t i = 0; i < pixels; ++i) {
    const int black = cmyk[4 * i + 3];
    for (std::size_t c = 0; c < kImageChannels; ++c) {
      const int ink = cmyk[4 * i + c];
      const int value = inverted ? black * ink / 255 : (255 - black) * (255 - ink) / 255;
      rgb[kImageChannels * i + c] = static_cast<std::uint8_t>(value);
    }
  }
}

// Pillow's conversion: every value is taken as inverted, and products of two bytes are divided by
// 255 with rounding.
void cmyk_to_rgb_like_pillow(std::span<const std::uint8_t> cmyk, std::span<std::uint8_t> rgb) {
  const std::size_t pixels = rgb.size() / kImageChannels;
  for (std::size_t i = 0; i < pixels; ++i) {
    const int light = cmyk[4 * i + 3];
    for (std::size_t c = 0; c < kImageChannels; ++c) {
      const int product = (255 - cmyk[4 * i + c]) * light + 128;
      const int ink = ((product >> 8) + product) >> 8;
      rgb[kImageChannels * i + c] = static_cast<std::uint8_t>(std::max(light - ink, 0));
    }
  }
}

}  // namespace

Image decode_jpeg(std::span<const std::byte> file, std::string_view place,
                  const DecodeOptions& options) {
  const Handle handle(tjInitDecompress());
  if (handle == nullptr) throw std::bad_alloc();
  const auto* bytes = reinterpret_cast<const unsigned char*>(file.data());
  int width = 0;
  int height = 0;
  int subsampling = 0;
  int color_space = 0;
  if (tjDecompressHeader3(handle.get(), bytes, file.size(), &width, &height, &subsampling,
                          &color_space) != 0 &&
      !is_harmless_warning(handle.get())) {
    throw_corrupt(place, handle.get());
  }
  Image image = make_decoded_image(static_cast<std::uint64_t>(std::max(height, 0)),
                                   static_cast<std::uint64_t>(std::max(width, 0)), place);
  const bool is_cmyk = color_space == TJCS_CMYK || color_space == TJCS_YCCK;
  std::vector<std::uint8_t> cmyk(is_cmyk ? image.pixels.size() / kImageChannels * 4 : 0);
  if (tjDecompress2(handle.get(), bytes, file.size(), is_cmyk ? cmyk.data() : image.pixels.data(),
                    width, 0, height, is_cmyk ? TJPF_CMYK : TJPF_RGB,
                    flags_of(options.jpeg_dct)) != 0 &&
      !is_harmless_warning(handle.get())) {
    throw_corrupt(place, handle.get());
  }
  if (!is_cmyk) return image;
  if (options.rules == PixelRules::kPillow) {
    cmyk_to_rgb_like_pillow(cmyk, image.pixels);
  } else {
    cmyk_to_rgb(cmyk, has_adobe_marker(file), image.pixels);
  }
  return image;
}

}  // namespace narrow
