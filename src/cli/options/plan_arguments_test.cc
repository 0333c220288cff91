#include "cli/options/plan_arguments.h"

#include <gtest/gtest.h>

#include "narrow/error.h"

namespace narrow {
namespace {

TEST(PlanArguments, SizesAreWholeBytesRoundedDown) {
  EXPECT_EQ(parse_byte_size("12582912", "--memory"), 12582912U);
  EXPECT_EQ(parse_byte_size("12MiB", "--memory"), 12582912U);
  EXPECT_EQ(parse_byte_size("12 MiB", "--memory"), 12582912U);
  EXPECT_EQ(parse_byte_size("12.5MB", "--memory"), 12500000U);
  EXPECT_EQ(parse_byte_size("3kB", "--memory"), 3000U);
  EXPECT_EQ(parse_byte_size("3KiB", "--memory"), 3072U);
  EXPECT_EQ(parse_byte_size("2GB", "--memory"), 2000000000U);
  EXPECT_EQ(parse_byte_size("2GiB", "--memory"), 2147483648U);
  EXPECT_EQ(parse_byte_size("1.9B", "--memory"), 1U);
  EXPECT_EQ(parse_byte_size("0", "--memory"), 0U);
}

TEST(PlanArguments, WhatIsNoSizeIsRefused) {
  for (const char* text : {"", "MiB", "-1", "1mb", "1.2.3", "12  MiB", "1e6", "12MiBs", "inf",
                           "4611686018427387904", "9999999999GiB"}) {
    EXPECT_THROW(parse_byte_size(text, "--memory"), Error) << text;
  }
}

TEST(PlanArguments, WidthsAreFrom1To32) {
  EXPECT_EQ(parse_width("1", "--vector-bits"), 1);
  EXPECT_EQ(parse_width("32", "--vector-bits"), 32);
  for (const char* text : {"", "0", "33", "8x", " 8", "1.5"}) {
    EXPECT_THROW(parse_width(text, "--vector-bits"), Error) << text;
  }
}

TEST(PlanArguments, TheLastEqualsSignOfARuleCounts) {
  const WidthRule rule = parse_width_rule("a=b/*=8", "--fix");
  EXPECT_EQ(rule.pattern, "a=b/*");
  EXPECT_EQ(rule.bits, 8);
  for (const char* text : {"", "a", "a=", "=8", "a=x", "a=8 "}) {
    EXPECT_THROW(parse_width_rule(text, "--fix"), Error) << text;
  }
}

TEST(PlanArguments, ErrorsNameTheOption) {
  try {
    parse_width_rule("a", "--min");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::kUsage);
    EXPECT_STREQ(error.what(), "--min a: expected GLOB=BITS, such as '*/logits/*=8'");
  }
}

}  // namespace
}  // namespace narrow
