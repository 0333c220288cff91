#include "narrow/scheme.h"

#include <gtest/gtest.h>

#include <cmath>

#include "narrow/error.h"

namespace narrow {
namespace {

TEST(Scheme, NamesComeBack) {
  for (const SchemeKind kind : {SchemeKind::kBin, SchemeKind::kFixedPoint, SchemeKind::kAffine,
                                SchemeKind::kSymmetric, SchemeKind::kCodebook}) {
    EXPECT_EQ(parse_scheme_kind(to_string(kind)), kind);
  }
  for (const char* const text : {"tensor", "channel", "group:1", "group:64"}) {
    EXPECT_EQ(to_string(parse_granularity(text)), text);
  }
  EXPECT_EQ(parse_granularity("group:64").group_size, 64);
  for (const char* const text : {"minmax", "mse", "aciq", "percentile:99.9", "percentile:100"}) {
    EXPECT_EQ(to_string(parse_range(text)), text);
  }
  EXPECT_EQ(parse_range("percentile:99.99").percentile, 99.99);
}

TEST(Scheme, UnknownNamesAreUsageErrors) {
  for (const char* const text : {"", "Bin", "bins", "fixed_point"}) {
    EXPECT_THROW(parse_scheme_kind(text), Error) << text;
  }
  for (const char* const text : {"", "group", "group:", "group:0", "group:-3", "group:6x",
                                 "group:99999999999999999999", "channels"}) {
    EXPECT_THROW(parse_granularity(text), Error) << text;
  }
  for (const char* const text : {"", "MSE", "percentile", "percentile:", "percentile:50",
                                 "percentile:100.1", "percentile:nan", "percentile:99%"}) {
    EXPECT_THROW(parse_range(text), Error) << text;
  }
  try {
    parse_scheme_kind("zip");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::kUsage);
    EXPECT_NE(std::string(error.what()).find("fixed-point"), std::string::npos);
  }
}

TEST(Scheme, ValidateChecksEveryField) {
  Scheme scheme;
  for (const int bits : {1, 8, 32}) {
    scheme.bits = bits;
    EXPECT_NO_THROW(validate(scheme));
  }
  for (const int bits : {-1, 0, 33}) {
    scheme.bits = bits;
    EXPECT_THROW(validate(scheme), Error);
  }
  scheme.bits = 1;
  scheme.kind = SchemeKind::kSymmetric;
  EXPECT_THROW(validate(scheme), Error);
  scheme.kind = SchemeKind::kBin;
  scheme.granularity.kind = Granularity::Kind::kGroup;
  EXPECT_THROW(validate(scheme), Error);
}

TEST(Scheme, ValidateChecksRanges) {
  Scheme scheme;
  scheme.range.kind = Range::Kind::kPercentile;
  for (const double percentile : {0.0, 50.0, 100.5, -1.0, std::nan("")}) {
    scheme.range.percentile = percentile;
    EXPECT_THROW(validate(scheme), Error) << percentile;
  }
  scheme.range.percentile = 50.5;
  EXPECT_NO_THROW(validate(scheme));
  EXPECT_TRUE(takes_range(scheme.kind));
  scheme.kind = SchemeKind::kCodebook;
  EXPECT_FALSE(takes_range(scheme.kind));
  EXPECT_THROW(validate(scheme), Error);
  scheme.range = {};
  scheme.bits = kMaxCodebookBits;
  EXPECT_NO_THROW(validate(scheme));
  scheme.bits = kMaxCodebookBits + 1;
  EXPECT_THROW(validate(scheme), Error);
}

TEST(Scheme, QFormatCountsTheSign) {
  Scheme scheme;
  scheme.kind = SchemeKind::kFixedPoint;
  BlockParams params;
  params.fraction_bits = 6;
  EXPECT_EQ(q_format(scheme, params), "Q2.6");
  params.is_signed = true;
  EXPECT_EQ(q_format(scheme, params), "Q1.6");
  params.fraction_bits = 12;
  EXPECT_EQ(q_format(scheme, params), "Q-5.12");
}

}  // namespace
}  // namespace narrow
