// The decoders behind decode_image, one a format. See image.h for their contract.
#pragma once

#include "data/images/image.h"

namespace narrow {

Image decode_png(std::span<const std::byte> file, std::string_view place, PixelRules rules);
Image decode_jpeg(std::span<const std::byte> file, std::string_view place,
                  const DecodeOptions& options);

// An image of that size with all pixels 0. Throws Error(kCorrupt) for an empty one,
// Error(kUnsupported) for one beyond the limits.
Image make_decoded_image(std::uint64_t height, std::uint64_t width, std::string_view place);

}  // namespace narrow
