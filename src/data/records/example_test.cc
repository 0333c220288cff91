#include "data/records/example.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "data/testing/golden_data.h"

namespace narrow {
namespace {

using ::testing::HasSubstr;

// Made by TensorFlow: image/class/label = [6].
constexpr std::string_view kLabelSix =
    "\x0a\x1c\x0a\x1a\x0a\x11image/class/label\x12\x05\x1a\x03\x0a\x01\x06"sv;

Example parse(std::string_view bytes) { return parse_example(as_byte_span(bytes), "the record"); }

ImageExample parse_image(std::string_view bytes) {
  return parse_image_example(as_byte_span(bytes), "record 3 at byte 40 of x.tfrecord");
}

TEST(Example, ReadsAndWritesTensorFlowsBytes) {
  const Example example = parse(kLabelSix);
  ASSERT_EQ(example.size(), 1u);
  EXPECT_EQ(std::get<3>(example.at("image/class/label")), std::vector<std::int64_t>{6});
  EXPECT_EQ(serialize_example(example), kLabelSix);
}

TEST(Example, AcceptsUnpackedNumbers) {
  // Feature{int64_list{value: 5, value: 300}}, both numbers as fields of their own.
  const Example integers = parse("\x0a\x0e\x0a\x0c\x0a\x01x\x12\x07\x1a\x05\x08\x05\x08\xac\x02"sv);
  EXPECT_EQ(std::get<3>(integers.at("x")), (std::vector<std::int64_t>{5, 300}));
  const Example floats = parse("\x0a\x0e\x0a\x0c\x0a\x01x\x12\x07\x12\x05\x0d\x00\x00\xc0\x3f"sv);
  EXPECT_EQ(std::get<2>(floats.at("x")), std::vector<float>{1.5F});
}

TEST(Example, RoundTripsEveryKind) {
  const Example example = {{"bytes", std::vector<std::string>{"", std::string("\0z", 2)}},
                           {"floats", std::vector<float>{1.5F, -0.0F}},
                           {"integers", std::vector<std::int64_t>{-1, 1LL << 62}},
                           {"no bytes", std::vector<std::string>{}},
                           {"no floats", std::vector<float>{}},
                           {"nothing", std::monostate{}}};
  EXPECT_EQ(parse(serialize_example(example)), example);
}

TEST(Example, ImageRoundTrips) {
  const ImageExample image = {"\x89PNG", "png", 9, 32, 31};
  EXPECT_EQ(parse_image(serialize_image_example(image)), image);
}

TEST(Example, NamesWhatIsMissing) {
  EXPECT_THAT(error_message(ErrorCategory::kCorrupt, [] { parse_image(kLabelSix); }),
              HasSubstr("record 3 at byte 40 of x.tfrecord has no feature image/encoded"));
  const std::string no_label =
      serialize_example({{"image/encoded", std::vector<std::string>{"x"}}});
  EXPECT_THAT(error_message(ErrorCategory::kCorrupt, [&] { parse_image(no_label); }),
              HasSubstr("no feature image/class/label"));
}

TEST(Example, RefusesFeaturesOfTheWrongKind) {
  const std::string text_label =
      serialize_example({{"image/encoded", std::vector<std::string>{"x"}},
                         {"image/class/label", std::vector<std::string>{"6"}}});
  EXPECT_THAT(error_message(ErrorCategory::kCorrupt, [&] { parse_image(text_label); }),
              HasSubstr("image/class/label is not the single integer"));
  const std::string two_labels =
      serialize_example({{"image/encoded", std::vector<std::string>{"x"}},
                         {"image/class/label", std::vector<std::int64_t>{6, 7}}});
  error_message(ErrorCategory::kCorrupt, [&] { parse_image(two_labels); });
}

TEST(Example, OfTwoFeaturesWithOneNameTheLastCounts) {
  const std::string twice = serialize_example({{"x", std::vector<std::int64_t>{1}}}) +
                            serialize_example({{"x", std::vector<std::int64_t>{2}}});
  EXPECT_EQ(std::get<3>(parse(twice).at("x")), std::vector<std::int64_t>{2});
}

TEST(Example, NamesMayBeAnyBytes) {
  const Example example = {{"\xff\xfe", std::vector<float>{1}}};
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(parse(serialize_example(example)), example);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(Example, RefusesOtherBytes) {
  EXPECT_THAT(error_message(ErrorCategory::kCorrupt, [] { parse("\x0a\xff\xff\xff\xff\x0f"sv); }),
              HasSubstr("the record is no tf.Example"));
}

}  // namespace
}  // namespace narrow
