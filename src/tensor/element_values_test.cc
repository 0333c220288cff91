#include "tensor/element_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "narrow/error.h"

namespace narrow {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(RoundTo, TiesGoToEven) {
  EXPECT_EQ(round_to(DType::kFloat16, 1 + 0x1p-11), 1);
  EXPECT_EQ(round_to(DType::kFloat16, 1 + 3 * 0x1p-11), 1 + 0x1p-9);
  EXPECT_EQ(round_to(DType::kBFloat16, 1 + 0x1p-8), 1);
  EXPECT_EQ(round_to(DType::kBFloat16, 1 + 3 * 0x1p-8), 1 + 0x1p-6);
  EXPECT_EQ(round_to(DType::kFloat32, 1 + 0x1p-24), 1);
  EXPECT_EQ(round_to(DType::kFloat64, 1 + 0x1p-52), 1 + 0x1p-52);
}

// Rounding to float32 first would give 1.
TEST(RoundTo, RoundsOnce) {
  EXPECT_EQ(round_to(DType::kFloat16, 1 + 0x1p-11 + 0x1p-40), 1 + 0x1p-10);
}

TEST(RoundTo, EndsOfTheRange) {
  EXPECT_EQ(round_to(DType::kFloat16, 65519), 65504);
  EXPECT_EQ(round_to(DType::kFloat16, 65520), kInfinity);
  EXPECT_EQ(round_to(DType::kFloat16, -1e9), -kInfinity);
  EXPECT_EQ(round_to(DType::kFloat16, 0x1p-25), 0);
  EXPECT_EQ(round_to(DType::kFloat16, 1.5 * 0x1p-25), 0x1p-24);
  EXPECT_EQ(round_to(DType::kBFloat16, 3.4e38), kInfinity);
  EXPECT_EQ(round_to(DType::kBFloat16, 0x1.FEp127), 0x1.FEp127);
}

TEST(WrapTo, KeepsTheLowBits) {
  EXPECT_EQ(wrap_to(DType::kInt8, 200), -56);
  EXPECT_EQ(wrap_to(DType::kUInt8, -1), 255);
  EXPECT_EQ(wrap_to(DType::kInt16, 40000), -25536);
  EXPECT_EQ(wrap_to(DType::kUInt32, -1), 4294967295);
  EXPECT_EQ(wrap_to(DType::kUInt64, -1), -1);
  EXPECT_EQ(wrap_to(DType::kBool, -7), 1);
}

TEST(Codes, EveryHalfComesBack) {
  std::vector<std::byte> bytes;
  for (int bits = 0; bits < 65536; ++bits) {
    if ((bits & 0x7C00) == 0x7C00 && (bits & 0x3FF) != 0) continue;  // NaN
    bytes.push_back(static_cast<std::byte>(bits));
    bytes.push_back(static_cast<std::byte>(bits >> 8));
  }
  EXPECT_EQ(encode_reals(DType::kFloat16, decode_reals(DType::kFloat16, bytes)), bytes);
  EXPECT_EQ(decode_reals(DType::kFloat16, bytes)[0x3C00], 1);
}

TEST(Codes, EveryBrainFloatComesBack) {
  std::vector<std::byte> bytes;
  for (int bits = 0; bits < 65536; ++bits) {
    if ((bits & 0x7F80) == 0x7F80 && (bits & 0x7F) != 0) continue;  // NaN
    bytes.push_back(static_cast<std::byte>(bits));
    bytes.push_back(static_cast<std::byte>(bits >> 8));
  }
  EXPECT_EQ(encode_reals(DType::kBFloat16, decode_reals(DType::kBFloat16, bytes)), bytes);
}

TEST(Codes, NotANumberStaysOne) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const DType type : {DType::kFloat16, DType::kBFloat16, DType::kFloat32, DType::kFloat64}) {
    EXPECT_TRUE(std::isnan(decode_reals(type, encode_reals(type, std::vector{nan}))[0]));
  }
}

TEST(Codes, IntegersOfEveryWidth) {
  const std::vector<std::int64_t> values = {0, 1, -1, 127, -128};
  for (const DType type : {DType::kInt8, DType::kInt16, DType::kInt32, DType::kInt64}) {
    const auto bytes = encode_integers(type, values);
    EXPECT_EQ(bytes.size(), values.size() * element_size(type));
    EXPECT_EQ(decode_integers(type, bytes), values);
  }
  EXPECT_THAT(decode_integers(DType::kUInt8, encode_integers(DType::kUInt8, values)),
              testing::ElementsAre(0, 1, 255, 127, 128));
  EXPECT_THAT(decode_integers(DType::kBool, encode_integers(DType::kBool, values)),
              testing::ElementsAre(0, 1, 1, 1, 1));
}

TEST(Codes, RefusesWhatIsNoElement) {
  const std::vector<std::byte> three(3);
  EXPECT_THROW(decode_reals(DType::kFloat16, three), Error);
  EXPECT_THROW(decode_integers(DType::kInt32, three), Error);
  EXPECT_THROW(decode_reals(DType::kInt8, three), Error);
  EXPECT_THROW(decode_integers(DType::kString, three), Error);
}

}  // namespace
}  // namespace narrow
