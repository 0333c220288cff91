#include "data/images/image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/bytes.h"
#include "data/testing/golden_examples.h"

namespace narrow {
namespace {

using ::testing::HasSubstr;

Image decode(std::string_view file) { return decode_image(as_byte_span(file), "the image"); }

std::string decode_error(ErrorCategory category, std::string_view file) {
  return error_message(category, [&] { decode(file); });
}

// The start of a PNG file that claims this size; the header's checksum holds.
std::string png_claiming(std::uint32_t width, std::uint32_t height) {
  std::string file = encode_png({1, 1, {1, 2, 3}});
  const auto put = [&](std::size_t at, std::uint32_t value) {
    for (std::size_t i = 0; i < 4; ++i) file[at + i] = static_cast<char>(value >> (24 - 8 * i));
  };
  put(16, width);
  put(20, height);
  std::uint32_t crc = ~0U;  // PNG specification, annex D
  for (std::size_t i = 12; i < 29; ++i) {
    crc ^= static_cast<unsigned char>(file[i]);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xedb88320U : 0);
  }
  put(29, ~crc);
  return file;
}

void expect_golden_pixels(std::string_view folder, const DecodeOptions& options) {
  const auto golden = golden_examples(folder, "decode.tfrecord");
  ASSERT_GE(golden.size(), 30u);
  for (const GoldenExample& example : golden) {
    const std::string name = example.text("name");
    const std::string encoded = example.text("encoded");
    const Image image = decode_image(as_byte_span(encoded), name, options);
    ASSERT_EQ(image.height, example.number("height")) << name;
    ASSERT_EQ(image.width, example.number("width")) << name;
    const std::string pixels(image.pixels.begin(), image.pixels.end());
    EXPECT_TRUE(pixels == example.text("pixels")) << name;
  }
}

// Every kind of PNG and JPEG file that TensorFlow decoded for tests/golden/data/make_golden.py.
TEST(Image, DecodesAsTensorFlowDoes) { expect_golden_pixels("data", kTensorFlowDecoding); }

// The same of tests/golden/pillow/make_golden.py.
TEST(Image, DecodesAsPillowDoes) { expect_golden_pixels("pillow", kPillowDecoding); }

TEST(Image, NamesTransforms) {
  EXPECT_EQ(parse_jpeg_dct("fast"), JpegDct::kFast);
  EXPECT_EQ(parse_jpeg_dct("accurate"), JpegDct::kAccurate);
  EXPECT_THAT(error_message(ErrorCategory::kUsage, [] { parse_jpeg_dct("float"); }),
              HasSubstr("there is no transform float of JPEG images; choose fast or accurate"));
}

RC_GTEST_PROP(ImageProperty, PngRoundTrips, ()) {
  Image image;
  image.height = *rc::gen::inRange(1, 20);
  image.width = *rc::gen::inRange(1, 20);
  const auto bytes = static_cast<std::size_t>(image.height * image.width * 3);
  image.pixels =
      *rc::gen::container<std::vector<std::uint8_t>>(bytes, rc::gen::inRange<std::uint8_t>(0, 255));
  const std::string file = encode_png(image);
  RC_ASSERT(decode(file) == image);
  RC_ASSERT(encode_png(image) == file);
}

TEST(Image, RefusesClaimsBeforeAllocating) {
  EXPECT_THAT(decode_error(ErrorCategory::kUnsupported, png_claiming(20000, 10000)),
              HasSubstr("the image claims 20000 x 10000 pixels"));
  decode_error(ErrorCategory::kUnsupported, png_claiming(16384, 16384));
  decode_error(ErrorCategory::kUnsupported, png_claiming(16385, 1));
  decode_error(ErrorCategory::kCorrupt, png_claiming(0, 5));
}

TEST(Image, RefusesTruncatedFiles) {
  const Image image = {8, 8, std::vector<std::uint8_t>(8 * 8 * 3, 90)};
  const std::string png = encode_png(image);
  // The decoder does not look at the checksum of the empty end chunk, the last four bytes.
  for (std::size_t length = 8; length + 4 < png.size(); ++length) {
    decode_error(ErrorCategory::kCorrupt, std::string_view(png).substr(0, length));
  }
  const auto golden = golden_examples("data", "decode.tfrecord");
  const std::string jpeg = golden[golden.size() - 3].text("encoded");
  ASSERT_EQ(jpeg.substr(0, 2), "\xff\xd8");
  for (std::size_t length = 3; length + 2 < jpeg.size(); ++length) {
    decode_error(ErrorCategory::kCorrupt, std::string_view(jpeg).substr(0, length));
  }
}

TEST(Image, RefusesOtherFormats) {
  EXPECT_THAT(decode_error(ErrorCategory::kCorrupt, ""), HasSubstr("the encoded image is empty"));
  EXPECT_THAT(decode_error(ErrorCategory::kUnsupported, "GIF89a......"),
              HasSubstr("the image: the 12 bytes of the encoded image are neither PNG nor JPEG"));
}

TEST(Image, RefusesToEncodeContradictions) {
  error_message(ErrorCategory::kUsage, [] { encode_png({}); });
  error_message(ErrorCategory::kUsage, [] { encode_png({2, 2, {1, 2, 3}}); });
}

}  // namespace
}  // namespace narrow
