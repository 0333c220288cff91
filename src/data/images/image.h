// Images of 8-bit RGB pixels, and the PNG and JPEG files they come from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace narrow {

// height x width x 3 bytes, row by row, red, green, blue.
struct Image {
  int height = 0;
  int width = 0;
  std::vector<std::uint8_t> pixels;
  bool operator==(const Image&) const = default;
};

constexpr int kImageChannels = 3;
// An image file that claims more is refused before memory is asked for.
constexpr std::uint32_t kMaxImageSide = 16384;
constexpr std::uint64_t kMaxImagePixels = std::uint64_t{1} << 26;

// The inverse transform of JPEG, in integers; the two differ in a few steps of brightness.
enum class JpegDct { kFast, kAccurate };

// "fast", "accurate"; throws Error(kUsage) naming the two.
JpegDct parse_jpeg_dct(std::string_view name);

// Whose pixels come out where decoders differ.
enum class PixelRules {
  kTensorFlow,  // decode_image(channels=3): of 16 bits the upper 8 stay
  kPillow,      // Image.convert("RGB"): grey of 16 bits is cut at 255, CMYK is always Adobe's
};

struct DecodeOptions {
  PixelRules rules = PixelRules::kTensorFlow;
  JpegDct jpeg_dct = JpegDct::kFast;
};

// What each of the two does by itself.
constexpr DecodeOptions kTensorFlowDecoding = {PixelRules::kTensorFlow, JpegDct::kFast};
constexpr DecodeOptions kPillowDecoding = {PixelRules::kPillow, JpegDct::kAccurate};

// Decodes a PNG or JPEG file held in memory; the content decides, not a name. The pixels are those
// of TensorFlow or Pillow, bit for bit: alpha is dropped, grey and palette become RGB, chroma is
// upsampled smoothly. `place` names the image in messages. Throws Error(kCorrupt) for a broken or
// truncated file, Error(kUnsupported) for another format or an image beyond the limits above.
Image decode_image(std::span<const std::byte> file, std::string_view place,
                   const DecodeOptions& options = kTensorFlowDecoding);

// A PNG file, 8 bits RGB; equal images give equal bytes. Throws Error(kUsage) when the image has no
// pixels or its sizes contradict each other.
std::string encode_png(const Image& image);

}  // namespace narrow
