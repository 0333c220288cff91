#include "data/convert/cifar10_batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/testing/cifar10_files.h"
#include "data/testing/golden_data.h"

namespace narrow {
namespace {

using ::testing::HasSubstr;

CifarBatch parse(const std::string& bytes, std::size_t rows) {
  return parse_cifar10_pickle(as_byte_span(bytes), rows, "the batch");
}

std::string parse_error(const std::string& bytes, std::size_t rows = 3) {
  return error_message(ErrorCategory::kCorrupt, [&] { parse(bytes, rows); });
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

void expect_batch(const CifarBatch& batch, int number, std::size_t rows) {
  ASSERT_EQ(batch.size(), rows);
  std::string planes;
  for (std::size_t row = 0; row < rows; ++row) {
    EXPECT_EQ(batch.labels[row], test_label(number, row));
    planes += test_planes(number, row);
  }
  EXPECT_TRUE(std::equal(planes.begin(), planes.end(), batch.planes.begin(), batch.planes.end(),
                         [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; }));
}

TEST(Cifar10Pickle, ReadsBothPythons) {
  expect_batch(parse(pickled_batch(1, 3, PickleStyle::kPython2), 3), 1, 3);
  expect_batch(parse(pickled_batch(2, 12, PickleStyle::kPython3), 12), 2, 12);
}

TEST(Cifar10Pickle, EveryTruncationIsFound) {
  const std::string whole = pickled_batch(0, 1);
  for (std::size_t length = 0; length<whole.size(); length += length> 400 ? 97 : 1) {
    EXPECT_THAT(parse_error(whole.substr(0, length), 1), HasSubstr("the batch (byte "));
  }
}

TEST(Cifar10Pickle, CallsNothing) {
  using std::string_literals::operator""s;
  EXPECT_THAT(parse_error("\x80\x02"
                          "cos\nsystem\nU\x02id\x85R."s),
              HasSubstr("asks to call os.system, which is refused"));
  EXPECT_THAT(parse_error("\x80\x02"
                          "c__builtin__\neval\n(U\x01"
                          "1tR."s),
              HasSubstr("eval"));
  for (const char opcode : {'i', 'o', 'P', 'Q', 'S', 'I', 'L', 'F', 'p', 'g', '0', '2', 'd', 'l'}) {
    EXPECT_THAT(parse_error("\x80\x02"s + opcode + "os\nsystem\n."s), HasSubstr("has the opcode"));
  }
  parse_error("\x80\x04}."s);
  parse_error("(dp1\n."s);
}

TEST(Cifar10Pickle, RefusesOtherContent) {
  using std::string_literals::operator""s;
  const std::string good = pickled_batch(0, 3);
  EXPECT_THAT(parse_error(good, 4), HasSubstr("has 3 labels where 4 are expected"));
  EXPECT_THAT(parse_error(replaced(good, "labels", "labelz")), HasSubstr("no entry 'labels'"));
  EXPECT_THAT(parse_error(replaced(good,
                                   "U\x04"
                                   "data"s,
                                   "U\x04"
                                   "Data"s)),
              HasSubstr("no entry 'data'"));
  EXPECT_THAT(parse_error(replaced(good, "]q\x05(K\x00"s, "]q\x05(K\x0a"s)),
              HasSubstr("label 10 for image 0"));
  EXPECT_THAT(parse_error(replaced(good, "U\x02u1", "U\x02i1")), HasSubstr("no array of bytes"));
  EXPECT_THAT(parse_error(replaced(good, "tb\x89", "tb\x88")), HasSubstr("row order"));
  EXPECT_THAT(parse_error(replaced(good, "M\x00\x0c"s, "M\x01\x0c"s)), HasSubstr("another shape"));
}

TEST(Cifar10Pickle, SurvivesHostileStructure) {
  using std::string_literals::operator""s;
  const std::string start = "\x80\x02"s;
  parse_error(start + "."s);
  parse_error(start + "R."s);
  parse_error(start + "(R."s);
  parse_error(start + "u."s);
  parse_error(start + "}(K\x01u."s);
  parse_error(start + "h\x07."s);
  parse_error(start + "q\x07."s);
  parse_error(start +
              "]q\x01h\x01"
              "a."s);  // a list that holds itself
  parse_error(start +
              "T\xff\xff\xff\xff"
              "abc"s);                                    // a length beyond the end
  parse_error(start + std::string(3000000, 'N') + "."s);  // too many values
  parse_error(start + std::string(200000, ']') + std::string(199999, 'a') + "."s);  // deep
  parse_error(start + "N" + std::string(200000, '\x85') + "."s);
}

TEST(Cifar10Binary, ReadsRows) {
  const std::string bytes = binary_batch(4, 5);
  expect_batch(parse_cifar10_binary(as_byte_span(bytes), 5, "the batch"), 4, 5);
  for (const std::size_t wrong : {4, 6}) {
    error_message(ErrorCategory::kCorrupt,
                  [&] { parse_cifar10_binary(as_byte_span(bytes), wrong, "the batch"); });
  }
  std::string bad_label = bytes;
  bad_label[2 * 3073] = 10;
  EXPECT_THAT(error_message(ErrorCategory::kCorrupt,
                            [&] { parse_cifar10_binary(as_byte_span(bad_label), 5, "the batch"); }),
              HasSubstr("image 2 at byte 6146 has the label 10"));
}

TEST(Cifar10Batch, ImagesAreInterleaved) {
  CifarBatch batch;
  batch.labels = {1};
  batch.planes.assign(kCifarPixelBytes, 0);
  batch.planes[33] = 7;         // red of pixel (1, 1)
  batch.planes[1024 + 33] = 8;  // green
  batch.planes[2048 + 33] = 9;  // blue
  const Image image = cifar10_image(batch, 0);
  EXPECT_EQ(image.pixels[33 * 3], 7);
  EXPECT_EQ(image.pixels[33 * 3 + 1], 8);
  EXPECT_EQ(image.pixels[33 * 3 + 2], 9);
}

}  // namespace
}  // namespace narrow
