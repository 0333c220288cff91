#include "narrow/fixed_format.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "narrow/error.h"
#include "narrow/scheme.h"

namespace narrow {
namespace {

NamedFormat named(int bits, int fraction_bits) {
  return {bits, {fraction_bits, true, RoundMode::kHalfEven, Overflow::kSaturate}};
}

Scheme with(const FixedFormat& format, int bits = 8) {
  Scheme scheme;
  scheme.kind = SchemeKind::kFixedPoint;
  scheme.bits = bits;
  scheme.format = format;
  return scheme;
}

std::string refusal_of(const Scheme& scheme) {
  try {
    validate(scheme);
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::kUsage);
    return error.what();
  }
  return "";
}

TEST(FixedFormat, NamesAreReadAsTheyAreWritten) {
  for (int i = 0; i < 7; ++i) {
    const auto mode = static_cast<RoundMode>(i);
    EXPECT_EQ(parse_round_mode(to_string(mode)), mode);
  }
  for (int i = 0; i < 4; ++i) {
    const auto overflow = static_cast<Overflow>(i);
    EXPECT_EQ(parse_overflow(to_string(overflow)), overflow);
  }
  EXPECT_TRUE(parse_always_signed("always"));
  EXPECT_FALSE(parse_always_signed("auto"));
  EXPECT_THROW(parse_round_mode("RND"), Error);
  EXPECT_THROW(parse_overflow("saturated"), Error);
  EXPECT_THROW(parse_always_signed("yes"), Error);
}

TEST(FixedFormat, QFormatsLeaveTheSignOut) {
  EXPECT_EQ(parse_q_format("1.6"), named(8, 6));
  EXPECT_EQ(parse_q_format("Q2.14"), named(17, 14));
  EXPECT_EQ(parse_q_format("0.7"), named(8, 7));
  EXPECT_EQ(parse_q_format("-3.10"), named(8, 10));
  EXPECT_EQ(parse_q_format("9.-2"), named(8, -2));
  EXPECT_EQ(parse_q_format("0.0"), named(1, 0));
}

TEST(FixedFormat, ApFixedCountsTheSign) {
  EXPECT_EQ(parse_ap_fixed("8,2"), named(8, 6));
  EXPECT_EQ(parse_ap_fixed("16, 2"), named(16, 14));
  EXPECT_EQ(parse_ap_fixed("8,-3"), named(8, 11));
  EXPECT_EQ(parse_ap_fixed("8,20"), named(8, -12));
}

TEST(FixedFormat, OtherTextsAreRefused) {
  for (const char* const text : {"", ".", "1", "1.", ".6", "1,6", "1.6.2", "x.y", "1.6 ", "20.20",
                                 "-4.3", "1e3.2", "999999999999.0", "99999.99999"}) {
    EXPECT_THROW(parse_q_format(text), Error) << text;
  }
  for (const char* const text : {"", "8", "8,", ",2", "8.2", "0,0", "33,2", "-8,2", "8,2,1"}) {
    EXPECT_THROW(parse_ap_fixed(text), Error) << text;
  }
}

TEST(FixedFormat, TextsSayWhatIsNotTheDefault) {
  FixedFormat format;
  EXPECT_EQ(to_text(format, 8), "");
  format.fraction_bits = 6;
  EXPECT_EQ(to_text(format, 8), "6 fraction bits");
  format.always_signed = true;
  format.round_mode = RoundMode::kFloor;
  format.overflow = Overflow::kWrap;
  EXPECT_EQ(to_text(format, 8), "Q1.6, round floor, overflow wrap");
  format.fraction_bits.reset();
  EXPECT_EQ(to_text(format, 8), "always signed, round floor, overflow wrap");
}

TEST(FixedFormat, GoesWithBinaryFixedPointOnly) {
  const FixedFormat format = {6, false, RoundMode::kHalfEven, Overflow::kSaturate};
  EXPECT_EQ(refusal_of(with(format)), "");
  for (const SchemeKind kind : {SchemeKind::kBin, SchemeKind::kAffine, SchemeKind::kSymmetric}) {
    Scheme scheme = with(format);
    scheme.kind = kind;
    EXPECT_NE(refusal_of(scheme).find("the scheme is " + std::string(to_string(kind))),
              std::string::npos);
  }
  Scheme scheme = with(format);
  scheme.scaling = Scaling::kDecimal;
  EXPECT_NE(refusal_of(scheme).find("decimal scaling"), std::string::npos);
}

TEST(FixedFormat, HasLimits) {
  EXPECT_EQ(refusal_of(with({-256, false, {}, {}})), "");
  EXPECT_EQ(refusal_of(with({256, false, {}, {}})), "");
  EXPECT_NE(refusal_of(with({257, false, {}, {}})), "");
  EXPECT_NE(refusal_of(with({-257, false, {}, {}})), "");
  const FixedFormat symmetric = {{}, false, {}, Overflow::kSymmetric};
  EXPECT_NE(refusal_of(with(symmetric, 1)), "");
  EXPECT_EQ(refusal_of(with(symmetric, 2)), "");
}

TEST(FixedFormat, RangesNeedAFormatThatIsFittedAndSaturates) {
  Scheme scheme = with({6, false, {}, {}});
  scheme.range = parse_range("mse");
  EXPECT_NE(refusal_of(scheme).find("leave one of the two out"), std::string::npos);
  scheme.format = {{}, true, RoundMode::kFloor, Overflow::kSymmetric};
  EXPECT_EQ(refusal_of(scheme), "");
  scheme.format.overflow = Overflow::kWrap;
  EXPECT_NE(refusal_of(scheme).find("overflow wrap"), std::string::npos);
}

}  // namespace
}  // namespace narrow
