#include "narrow/scheme_lists.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/options/width_lists.h"
#include "narrow/error.h"

namespace narrow {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(SchemeLists, ListsAreSplitAtEveryComma) {
  EXPECT_THAT(split_list("a,b"), ElementsAre("a", "b"));
  EXPECT_THAT(split_list("a"), ElementsAre("a"));
  EXPECT_THAT(split_list(""), ElementsAre(""));
  EXPECT_THAT(split_list(",a,"), ElementsAre("", "a", ""));
}

TEST(SchemeLists, WidthsAreSortedAndEachThereOnce) {
  EXPECT_THAT(parse_widths("8"), ElementsAre(8));
  EXPECT_THAT(parse_widths("1..4"), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(parse_widths("8,1..3,2..4,8"), ElementsAre(1, 2, 3, 4, 8));
  EXPECT_THAT(parse_widths("32..32"), ElementsAre(32));
}

TEST(SchemeLists, WhatIsNoListOfWidthsIsRefused) {
  for (const char* text : {"", "0", "33", "x", "4,", "4 ", "1..", "..4", "1...4", "5..4", "-1"}) {
    EXPECT_THROW(parse_widths(text), Error) << text;
  }
}

SchemeLists lists_of(std::vector<std::string> schemes, std::vector<int> widths) {
  return {std::move(schemes), {"tensor"}, {"minmax"}, std::move(widths)};
}

TEST(SchemeLists, EverySchemeComesWithEveryGranularityRangeAndWidthInThatOrder) {
  SchemeLists lists = lists_of({"bin", "affine"}, {2, 8});
  lists.granularities = {"tensor", "channel"};
  lists.ranges = {"minmax", "mse"};
  std::vector<std::string> left_out;
  const std::vector<Scheme> schemes = expand_schemes(lists, &left_out);
  ASSERT_EQ(schemes.size(), 16U);
  EXPECT_THAT(left_out, IsEmpty());
  for (std::size_t i = 0; i < schemes.size(); ++i) {
    EXPECT_EQ(schemes[i].kind, i < 8 ? SchemeKind::kBin : SchemeKind::kAffine);
    EXPECT_EQ(to_string(schemes[i].granularity), i / 4 % 2 == 0 ? "tensor" : "channel");
    EXPECT_EQ(to_string(schemes[i].range), i / 2 % 2 == 0 ? "minmax" : "mse");
    EXPECT_EQ(schemes[i].bits, i % 2 == 0 ? 2 : 8);
  }
}

TEST(SchemeLists, DecimalScalingHasANameOfItsOwn) {
  std::vector<std::string> left_out;
  const auto schemes =
      expand_schemes(lists_of({"fixed-point", "fixed-point-decimal"}, {8}), &left_out);
  ASSERT_EQ(schemes.size(), 2U);
  EXPECT_EQ(schemes[0].scaling, Scaling::kBinary);
  EXPECT_EQ(schemes[1].kind, SchemeKind::kFixedPoint);
  EXPECT_EQ(schemes[1].scaling, Scaling::kDecimal);
}

TEST(SchemeLists, CombinationsThatDoNotExistAreLeftOutAndNamed) {
  std::vector<std::string> left_out;
  const auto schemes = expand_schemes(lists_of({"symmetric", "codebook"}, {1, 8, 9}), &left_out);
  ASSERT_EQ(schemes.size(), 4U);
  EXPECT_THAT(left_out, ElementsAre("symmetric with range minmax and 1 bits",
                                    "codebook with range minmax and 9 bits"));
  EXPECT_THROW(expand_schemes(lists_of({"symmetric"}, {1}), &left_out), Error);
}

TEST(SchemeLists, FormatsWithAWidthComeBesidesTheSchemes) {
  SchemeLists lists = lists_of({"bin"}, {4});
  lists.named = {parse_q_format("1.6")};
  std::vector<std::string> left_out;
  const auto schemes = expand_schemes(lists, &left_out);
  ASSERT_EQ(schemes.size(), 2U);
  EXPECT_EQ(schemes[1].kind, SchemeKind::kFixedPoint);
  EXPECT_EQ(schemes[1].bits, 8);
  EXPECT_EQ(schemes[1].format.fraction_bits, 6);
}

}  // namespace
}  // namespace narrow
