#include "data/images/contact_sheet.h"

#include <gtest/gtest.h>

#include "data/testing/golden_data.h"

namespace narrow {
namespace {

const Image kWhite = {1, 2, std::vector<std::uint8_t>(6, 255)};
const Image kBlack = {2, 1, std::vector<std::uint8_t>(6, 0)};

std::uint8_t red_at(const Image& image, int y, int x) {
  return image.pixels.at(static_cast<std::size_t>((y * image.width + x) * 3));
}

TEST(ContactSheet, PutsImagesIntoCells) {
  const std::vector<Image> images = {kWhite, kBlack, Image{}, kWhite};
  const Image sheet = make_contact_sheet(images, {.columns = 3, .scale = 2, .gap = 1});
  ASSERT_EQ(sheet.width, 1 + 3 * 5);
  ASSERT_EQ(sheet.height, 1 + 2 * 5);
  EXPECT_EQ(red_at(sheet, 0, 0), 32);
  EXPECT_EQ(red_at(sheet, 1, 1), 255);
  EXPECT_EQ(red_at(sheet, 2, 4), 255);
  EXPECT_EQ(red_at(sheet, 3, 1), 32) << "below the white image, which is one pixel high";
  EXPECT_EQ(red_at(sheet, 4, 7), 0);
  EXPECT_EQ(red_at(sheet, 1, 11), 32) << "the empty image's cell";
  EXPECT_EQ(red_at(sheet, 6, 1), 255) << "second row";
}

TEST(ContactSheet, RefusesImpossibleLayouts) {
  const std::vector<Image> one = {kWhite};
  const std::vector<ContactSheetLayout> bad = {
      {.columns = 0}, {.scale = 0}, {.gap = -1}, {.scale = 16384}};
  for (const auto& layout : bad) {
    error_message(ErrorCategory::kUsage, [&] { make_contact_sheet(one, layout); });
  }
  error_message(ErrorCategory::kUsage, [] { make_contact_sheet({}, {}); });
}

}  // namespace
}  // namespace narrow
