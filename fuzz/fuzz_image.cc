// Decodes the input as PNG or JPEG, as TensorFlow and as Pillow; a small image that decodes must
// survive PNG encoding.
#include <cstdlib>

#include "base/bytes.h"
#include "data/images/image.h"
#include "narrow/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kMaxEncodedBytes = 1 << 16;
  for (const auto& options : {narrow::kTensorFlowDecoding, narrow::kPillowDecoding}) {
    try {
      const auto image =
          narrow::decode_image(std::as_bytes(std::span(data, size)), "input", options);
      if (image.pixels.size() > kMaxEncodedBytes) continue;
      const std::string png = narrow::encode_png(image);
      if (narrow::decode_image(narrow::as_byte_span(png), "copy", options) != image) std::abort();
    } catch (const narrow::Error&) {
    }
  }
  return 0;
}
