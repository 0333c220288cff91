#include "cli/options/scheme_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "narrow/error.h"

namespace narrow {
namespace {

TEST(SchemeOptions, WhatWasNotTypedIsTheDefaultScheme) {
  const SchemeOptions options;
  EXPECT_FALSE(options.has_kind());
  EXPECT_EQ(options.scheme(Scheme().bits), Scheme());
}

TEST(SchemeOptions, EveryPartOfASchemeIsTyped) {
  SchemeOptions options;
  options.kind = "symmetric";
  options.granularity = "group:64";
  options.range = "percentile:99.9";
  const Scheme scheme = options.scheme(4);
  EXPECT_EQ(scheme.kind, SchemeKind::kSymmetric);
  EXPECT_EQ(scheme.bits, 4);
  EXPECT_EQ(to_string(scheme.granularity), "group:64");
  EXPECT_EQ(to_string(scheme.range), "percentile:99.9");
}

TEST(SchemeOptions, AFormatIsFixedPointAndMayGiveTheWidth) {
  SchemeOptions options;
  options.format.q = "1.6";
  EXPECT_TRUE(options.has_kind());
  const Scheme scheme = options.scheme(0);
  EXPECT_EQ(scheme.kind, SchemeKind::kFixedPoint);
  EXPECT_EQ(scheme.bits, 8);
  EXPECT_EQ(options.scheme(8), scheme);
  EXPECT_THROW((void)options.scheme(7), Error);
}

TEST(SchemeOptions, WhatIsNoSchemeIsRefused) {
  SchemeOptions options;
  options.granularity = "row";
  EXPECT_THROW((void)options.scheme(4), Error);
  options = {};
  options.range = "widest";
  EXPECT_THROW((void)options.scheme(4), Error);
  options = {};
  options.kind = "cubic";
  EXPECT_THROW((void)options.scheme(4), Error);
}

std::vector<Scheme> schemes_of(const SchemeListOptions& options) {
  std::vector<std::string> left_out;
  return options.schemes(&left_out);
}

TEST(SchemeListOptions, BinsAndFixedPointAreTheDefault) {
  SchemeListOptions options;
  options.widths = "4";
  const std::vector<Scheme> schemes = schemes_of(options);
  ASSERT_EQ(schemes.size(), 2U);
  EXPECT_EQ(schemes[0].kind, SchemeKind::kBin);
  EXPECT_EQ(schemes[1].kind, SchemeKind::kFixedPoint);
}

TEST(SchemeListOptions, FormatsAloneAreAllThereIs) {
  SchemeListOptions options;
  options.formats.q = {"1.6", "2.5"};
  options.formats.round_modes = {"floor"};
  options.formats.overflows = {"wrap", "saturate"};
  const std::vector<Scheme> schemes = schemes_of(options);
  ASSERT_EQ(schemes.size(), 4U);
  for (const Scheme& scheme : schemes) {
    EXPECT_EQ(scheme.kind, SchemeKind::kFixedPoint);
    EXPECT_EQ(scheme.format.round_mode, RoundMode::kFloor);
  }
  EXPECT_EQ(schemes[0].format.overflow, Overflow::kWrap);
}

TEST(SchemeListOptions, FormatsOfNoFixedPointAreRefused) {
  SchemeListOptions options;
  options.lists.schemes = {"bin"};
  options.formats.fraction_bits = {"4"};
  EXPECT_THROW(schemes_of(options), Error);
}

}  // namespace
}  // namespace narrow
