#include "base/identifiers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace narrow {
namespace {

using ::testing::ElementsAre;

TEST(Identifiers, AreNamesInC) {
  EXPECT_THAT(
      unique_identifiers({"resnet_v1_50/conv1/weights", "layer.0.weight", "0", "", "größe"}),
      ElementsAre("resnet_v1_50_conv1_weights", "layer_0_weight", "t_0", "t_", "gr____e"));
}

TEST(Identifiers, NoTwoAreAlike) {
  EXPECT_THAT(unique_identifiers({"a/b", "a.b", "a_b_2", "A_B"}),
              ElementsAre("a_b", "a_b_2", "a_b_2_2", "A_B_3"));
  const std::string long_name(500, 'x');
  const auto identifiers = unique_identifiers({long_name + "1", long_name + "2"});
  EXPECT_NE(identifiers[0], identifiers[1]);
  EXPECT_LT(identifiers[1].size(), 200U);
}

TEST(Identifiers, UpperCase) { EXPECT_EQ(upper_case("aZ_9z"), "AZ_9Z"); }

}  // namespace
}  // namespace narrow
