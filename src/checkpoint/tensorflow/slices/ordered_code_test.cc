#include "checkpoint/tensorflow/slices/ordered_code.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <limits>

#include "checkpoint/testing/tensorflow_files.h"

namespace narrow {
namespace {

// All expected keys were written by TensorFlow.
TEST(SliceKey, IsWhatTensorFlowWrites) {
  EXPECT_EQ(slice_key("a/w", {Extent{}, Extent{}}), from_hex("00 612f770001 0102 807f 807f"));
  EXPECT_EQ(slice_key("global_step", {}), from_hex("00 676c6f62616c5f737465700001 00"));
  EXPECT_EQ(slice_key("part", {Extent{0, 3}, Extent{0, 4}}),
            from_hex("00 706172740001 0102 8083 8084"));
  EXPECT_EQ(slice_key("part", {Extent{3, 2}, Extent{0, 4}}),
            from_hex("00 706172740001 0102 8382 8084"));
  EXPECT_EQ(slice_key("q", {Extent{0, 200}, Extent{150, 150}}),
            from_hex("00 710001 0102 80c0c8 c096c096"));
  EXPECT_EQ(slice_key("p", {Extent{10000, 10000}, Extent{0, 2}}),
            from_hex("00 700001 0102 e02710e02710 8082"));
}

TEST(SliceKey, EscapesTheBytesThatEndAName) {
  EXPECT_EQ(slice_key(std::string_view("a\0b\xff", 4), {}), from_hex("00 6100ff62ff00 0001 00"));
}

TEST(SliceKey, EncodesNumbersOfEveryLength) {
  const auto start = [](std::int64_t value) {
    return slice_key("", {Extent{value, 1}}).substr(5, 100);
  };
  EXPECT_EQ(start(63), from_hex("bf 81"));
  EXPECT_EQ(start(64), from_hex("c040 81"));
  EXPECT_EQ(start(8191), from_hex("dfff 81"));
  EXPECT_EQ(start(8192), from_hex("e02000 81"));
  EXPECT_EQ(start((std::int64_t{1} << 34) - 1), from_hex("fbffffffff 81"));
  EXPECT_EQ(start(std::int64_t{1} << 48),
            from_hex("ff01000000000000 81").replace(0, 2, from_hex("ff01")));
  EXPECT_EQ(start((std::int64_t{1} << 62) - 1), from_hex("ffbfffffffffffffff 81"));
  EXPECT_EQ(start(std::numeric_limits<std::int64_t>::max()), from_hex("ffc07fffffffffffffff 81"));
}

RC_GTEST_PROP(SliceKey, ComparesLikeTheStart, ()) {
  const auto below = [](int bits) {
    return rc::gen::inRange<std::int64_t>(0, std::int64_t{1} << bits);
  };
  const auto bits = *rc::gen::inRange(1, 62);
  const auto a = *below(bits);
  const auto b = *below(bits);
  RC_ASSERT((slice_key("n", {Extent{a, 1}}) < slice_key("n", {Extent{b, 1}})) == (a < b));
}

}  // namespace
}  // namespace narrow
