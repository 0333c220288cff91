#include <fmt/format.h>
#include <spng.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "data/images/image_codecs.h"
#include "narrow/error.h"

namespace narrow {
namespace {

// Bytes one chunk may have, and all chunks that a decoder would keep in memory.
constexpr std::size_t kMaxChunkBytes = std::size_t{1} << 28;

struct ContextDeleter {
  void operator()(spng_ctx* context) const { spng_ctx_free(context); }
};
using Context = std::unique_ptr<spng_ctx, ContextDeleter>;

Context make_context(int flags) {
  Context context(spng_ctx_new(flags));
  if (context == nullptr) throw std::bad_alloc();
  return context;
}

void check_decoded(int status, std::string_view place) {
  if (status == 0) return;
  if (status == SPNG_EMEM) throw std::bad_alloc();
  throw Error(ErrorCategory::kCorrupt,
              fmt::format("{}: the PNG image cannot be decoded: {}", place, spng_strerror(status)));
}

void check_encoded(int status) {
  if (status == 0) return;
  if (status == SPNG_EMEM) throw std::bad_alloc();
  throw Error(ErrorCategory::kUsage,
              fmt::format("the PNG image cannot be encoded: {}", spng_strerror(status)));
}

// Grey of 16 bits as Pillow converts it: no scaling, what is above 255 becomes 255.
void decode_deep_grey(spng_ctx* context, Image& image, std::string_view place) {
  std::vector<std::uint16_t> grey(image.pixels.size() / kImageChannels);
  check_decoded(
      spng_decode_image(context, grey.data(), grey.size() * sizeof(std::uint16_t), SPNG_FMT_PNG, 0),
      place);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    image.pixels[i] = static_cast<std::uint8_t>(std::min<int>(grey[i / kImageChannels], 255));
  }
}

}  // namespace

Image decode_png(std::span<const std::byte> file, std::string_view place, PixelRules rules) {
  const Context context = make_context(0);
  // The sizes in the header are checked below with a better sentence.
  check_decoded(spng_set_chunk_limits(context.get(), kMaxChunkBytes, kMaxChunkBytes), place);
  check_decoded(spng_set_crc_action(context.get(), SPNG_CRC_ERROR, SPNG_CRC_DISCARD), place);
  check_decoded(spng_set_png_buffer(context.get(), file.data(), file.size()), place);
  spng_ihdr header{};
  check_decoded(spng_get_ihdr(context.get(), &header), place);
  Image image = make_decoded_image(header.height, header.width, place);
  if (rules == PixelRules::kPillow && header.bit_depth == 16 &&
      header.color_type == SPNG_COLOR_TYPE_GRAYSCALE) {
    decode_deep_grey(context.get(), image, place);
  } else {
    check_decoded(spng_decode_image(context.get(), image.pixels.data(), image.pixels.size(),
                                    SPNG_FMT_RGB8, 0),
                  place);
  }
  // Reads on to the end of the file, so that a truncated one is found even with all rows there.
  check_decoded(spng_decode_chunks(context.get()), place);
  return image;
}

std::string encode_png(const Image& image) {
  const auto pixels = static_cast<std::int64_t>(image.height) * image.width;
  if (image.height <= 0 || image.width <= 0 ||
      static_cast<std::int64_t>(image.pixels.size()) != pixels * kImageChannels) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("an image of {} x {} pixels cannot have {} bytes", image.width,
                            image.height, image.pixels.size()));
  }
  const Context context = make_context(SPNG_CTX_ENCODER);
  check_encoded(spng_set_option(context.get(), SPNG_ENCODE_TO_BUFFER, 1));
  spng_ihdr header{};
  header.width = static_cast<std::uint32_t>(image.width);
  header.height = static_cast<std::uint32_t>(image.height);
  header.bit_depth = 8;
  header.color_type = SPNG_COLOR_TYPE_TRUECOLOR;
  check_encoded(spng_set_ihdr(context.get(), &header));
  check_encoded(spng_encode_image(context.get(), image.pixels.data(), image.pixels.size(),
                                  SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE));
  std::size_t size = 0;
  int status = 0;
  const std::unique_ptr<void, decltype(&std::free)> buffer(
      spng_get_png_buffer(context.get(), &size, &status), &std::free);
  check_encoded(status);
  return {static_cast<const char*>(buffer.get()), size};
}

}  // namespace narrow
