#include "quant/fitting/ascending.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>

#include "quant/testing/test_values.h"

namespace narrow {
namespace {

// By value, and of the zeros the negative one first.
bool is_before(float a, float b) {
  return a < b || (a == b && std::signbit(a) && !std::signbit(b));
}

RC_GTEST_PROP(Ascending, SortsAsComparisonsDo, (std::uint64_t seed)) {
  RandomStream random(seed, "sort");
  // Short blocks are sorted by comparing, long ones by digits.
  const std::size_t count = *rc::gen::element<std::size_t>(0, 1, 7, 500, 2047, 2048, 5000, 70000);
  std::vector<float> values =
      random_values(kValueKinds.at(random.below(kValueKinds.size())), count, &random);
  std::vector<float> expected = values;
  std::stable_sort(expected.begin(), expected.end(), is_before);
  sort_ascending(values);
  RC_ASSERT(same_bits(values, expected));
}

// More values than are copied for that, spread out and all of a few digits.
TEST(Ascending, SortsManyValuesInPlace) {
  RandomStream random(6, "many");
  for (const bool are_alike : {false, true}) {
    std::vector<float> values(1'200'000);
    for (float& value : values) {
      value = static_cast<float>(are_alike ? 1 + 1e-6 * static_cast<double>(random.below(4))
                                           : random.normal());
    }
    std::vector<float> expected = values;
    std::sort(expected.begin(), expected.end());
    sort_ascending(values);
    EXPECT_TRUE(same_bits(values, expected));
  }
}

TEST(Ascending, ZerosInfinitiesAndTheExtremes) {
  const std::vector<float> expected = {-INFINITY, -FLT_MAX,     -1.0F, -FLT_TRUE_MIN, -0.0F,
                                       0.0F,      FLT_TRUE_MIN, 1.0F,  FLT_MAX,       INFINITY};
  for (const std::size_t copies : {1U, 300U}) {
    std::vector<float> values;
    std::vector<float> repeated;
    for (std::size_t i = 0; i < copies; ++i) {
      values.insert(values.end(), expected.rbegin(), expected.rend());
    }
    for (const float value : expected) repeated.insert(repeated.end(), copies, value);
    sort_ascending(values);
    EXPECT_TRUE(same_bits(values, repeated));
  }
}

}  // namespace
}  // namespace narrow
