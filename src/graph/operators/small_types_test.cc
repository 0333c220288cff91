#include "graph/operators/small_types.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace narrow {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(SmallTypes, CodesHaveTheValuesOfTheirTables) {
  EXPECT_EQ(small_value(SmallType::kFloat8E4M3Fn, 0x7E), 448);
  EXPECT_TRUE(std::isnan(small_value(SmallType::kFloat8E4M3Fn, 0x7F)));
  EXPECT_EQ(small_value(SmallType::kFloat8E4M3Fn, 0x01), 0x1p-9);
  EXPECT_EQ(small_value(SmallType::kFloat8E4M3Fnuz, 0x7F), 240);
  EXPECT_TRUE(std::isnan(small_value(SmallType::kFloat8E4M3Fnuz, 0x80)));
  EXPECT_EQ(small_value(SmallType::kFloat8E5M2, 0xFB), -57344);
  EXPECT_EQ(small_value(SmallType::kFloat8E5M2, 0xFC), -kInfinity);
  EXPECT_TRUE(std::isnan(small_value(SmallType::kFloat8E5M2, 0x7D)));
  EXPECT_EQ(small_value(SmallType::kFloat8E5M2Fnuz, 0x01), 0x1p-17);
  EXPECT_EQ(small_value(SmallType::kFloat4E2M1, 0xF), -6);
  EXPECT_EQ(small_value(SmallType::kFloat4E2M1, 0x1), 0.5);
  EXPECT_EQ(small_value(SmallType::kFloat8E8M0, 0), 0x1p-127);
  EXPECT_TRUE(std::isnan(small_value(SmallType::kFloat8E8M0, 255)));
}

TEST(SmallTypes, EveryValueRoundsToItself) {
  for (const SmallType type :
       {SmallType::kFloat4E2M1, SmallType::kFloat8E4M3Fn, SmallType::kFloat8E4M3Fnuz,
        SmallType::kFloat8E5M2, SmallType::kFloat8E5M2Fnuz, SmallType::kFloat8E8M0}) {
    for (int code = 0; code < 1 << bits_of(type); ++code) {
      const double value = small_value(type, static_cast<std::uint8_t>(code));
      const double rounded = round_small(type, value, false);
      EXPECT_TRUE(rounded == value || (std::isnan(rounded) && std::isnan(value)))
          << to_string(type) << " " << code << ": " << rounded;
    }
  }
}

TEST(SmallTypes, TiesGoToEvenAndLargeValuesToTheEnd) {
  EXPECT_EQ(round_small(SmallType::kFloat8E4M3Fn, 464), 448);
  EXPECT_EQ(round_small(SmallType::kFloat8E4M3Fn, 1e9), 448);
  EXPECT_TRUE(std::isnan(round_small(SmallType::kFloat8E4M3Fn, 1e9, false)));
  EXPECT_EQ(round_small(SmallType::kFloat8E5M2, -1e9, false), -kInfinity);
  EXPECT_EQ(round_small(SmallType::kFloat8E5M2, kInfinity), 57344);
  EXPECT_EQ(round_small(SmallType::kFloat4E2M1, 2.5), 2);
  EXPECT_EQ(round_small(SmallType::kFloat4E2M1, 3.5), 4);
  EXPECT_FALSE(std::signbit(round_small(SmallType::kFloat8E5M2Fnuz, -1e-9)));
}

TEST(SmallTypes, PowersOfTwoAreRoundedAsTold) {
  const auto rounded = [](double value, PowerRounding rounding) {
    return round_small(SmallType::kFloat8E8M0, value, true, rounding);
  };
  EXPECT_EQ(rounded(5, PowerRounding::kUp), 8);
  EXPECT_EQ(rounded(7, PowerRounding::kDown), 4);
  EXPECT_EQ(rounded(5, PowerRounding::kNearest), 4);
  EXPECT_EQ(rounded(6, PowerRounding::kNearest), 8);
  EXPECT_EQ(rounded(0, PowerRounding::kUp), 0x1p-127);
}

TEST(SmallTypes, IntegersKeepTheirLowBits) {
  EXPECT_EQ(wrap_small(SmallType::kInt4, 8), -8);
  EXPECT_EQ(wrap_small(SmallType::kUInt4, -1), 15);
  EXPECT_EQ(wrap_small(SmallType::kInt2, 2), -2);
  EXPECT_EQ(wrap_small(SmallType::kUInt2, 7), 3);
  EXPECT_EQ(integer_range(DType::kInt8, SmallType::kInt4)->least, -8);
  EXPECT_EQ(integer_range(DType::kUInt16, SmallType::kNone)->greatest, 65535);
  EXPECT_FALSE(integer_range(DType::kFloat16, SmallType::kFloat8E5M2));
}

}  // namespace
}  // namespace narrow
