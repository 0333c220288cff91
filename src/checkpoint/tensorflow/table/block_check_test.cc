#include "checkpoint/tensorflow/table/block_check.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "checkpoint/testing/tensorflow_files.h"

namespace narrow {
namespace {

// One entry of a block: shared and unshared key length, value length, the rest of the key, value.
constexpr const char* kA = "00 01 01 61 78";   // a: x
constexpr const char* kAb = "01 01 01 62 79";  // ab: y, sharing "a"
constexpr const char* kOnlyStart = "00000000 01000000";

bool is_sound(const std::string& hex) { return find_block_problem(from_hex(hex)) == nullptr; }

TEST(BlockCheck, AcceptsSoundBlocks) {
  EXPECT_TRUE(is_sound(kOnlyStart));
  EXPECT_TRUE(is_sound(std::string(kA) + kOnlyStart));
  EXPECT_TRUE(is_sound(std::string(kA) + kAb + kOnlyStart));
  EXPECT_TRUE(is_sound(std::string(kA) + "00 01 00 62" + "00000000 05000000 02000000"));
}

TEST(BlockCheck, VisitsEveryValue) {
  std::vector<std::string> values;
  for_each_block_value(from_hex(std::string(kA) + kAb + kOnlyStart),
                       [&](std::string_view value) { values.emplace_back(value); });
  EXPECT_EQ(values, (std::vector<std::string>{"x", "y"}));
}

TEST(BlockCheck, RefusesRestartArraysThatLie) {
  EXPECT_FALSE(is_sound(""));
  EXPECT_FALSE(is_sound("00000000"));
  EXPECT_FALSE(is_sound("00000000 00000000"));
  EXPECT_FALSE(is_sound("00000000 02000000"));
  EXPECT_FALSE(is_sound("00000000 ffffffff"));
  EXPECT_FALSE(is_sound("00000000 00000000 02000000"));
  EXPECT_FALSE(is_sound(std::string(kA) + "01000000 01000000"));
  EXPECT_FALSE(is_sound(std::string(kA) + "00000000 04000000 02000000"));
  // The key at a restart offset is not complete.
  EXPECT_FALSE(is_sound(std::string(kA) + kAb + "00000000 05000000 02000000"));
}

TEST(BlockCheck, RefusesEntriesThatLeaveTheBlock) {
  EXPECT_FALSE(is_sound(std::string("00 02 01 61 78") + kOnlyStart));
  EXPECT_FALSE(is_sound(std::string("00 01 02 61 78") + kOnlyStart));
  // Lengths whose sum is small in 32 bits.
  EXPECT_FALSE(is_sound(std::string("00 ffffffff0f 03 61 78") + kOnlyStart));
  EXPECT_FALSE(is_sound(std::string("00 01 ffffffffff0f 61 78") + kOnlyStart));
  EXPECT_FALSE(is_sound(std::string("00 01 ffffffff1f 61 78") + kOnlyStart));
  EXPECT_FALSE(is_sound(std::string("00 80") + kOnlyStart));
  // More shared than the key before has.
  EXPECT_FALSE(is_sound(std::string("01 00 00") + kOnlyStart));
  EXPECT_FALSE(is_sound(std::string(kA) + "02 01 00 62" + kOnlyStart));
}

TEST(BlockCheck, RefusesKeysThatDoNotAscendOrAreHuge) {
  EXPECT_FALSE(is_sound(std::string(kA) + kA + kOnlyStart));
  EXPECT_FALSE(is_sound(std::string(kAb) + kOnlyStart));
  EXPECT_FALSE(is_sound(std::string(kA) + "01 00 00" + kOnlyStart));
  const std::string huge = from_hex("00 81c000 00") + std::string(8193, 'k') + from_hex(kOnlyStart);
  EXPECT_STREQ(find_block_problem(huge), "a key is too long");
}

TEST(BlockHandleBytes, AreTwoVarints) {
  const std::string bytes = from_hex("4a 8001 77");
  std::string_view rest = bytes;
  const auto handle = take_block_handle(&rest);
  ASSERT_TRUE(handle);
  EXPECT_EQ(handle->offset, 0x4aU);
  EXPECT_EQ(handle->size, 128U);
  EXPECT_EQ(rest, "w");
  rest = "\x80";
  EXPECT_FALSE(take_block_handle(&rest));
  const std::string too_long = from_hex("ffffffffffffffffff02 00");
  rest = too_long;
  EXPECT_FALSE(take_block_handle(&rest));
}

}  // namespace
}  // namespace narrow
