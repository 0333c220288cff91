#include "narrow/compare_outputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tasks/testing/small_onnx_network.h"

namespace narrow {
namespace {

class CompareOutputsTest : public SmallOnnxTest {
 protected:
  OutputComparison compare(const SmallOnnx& a, const SmallOnnx& b,
                           const std::vector<std::string>& nodes = {}) {
    const auto reference = open(a);
    const auto other = open(b);
    const std::vector<NamedArray> inputs = {floats("x", {1, 2}, {1, 2})};
    return compare_outputs(*reference, *other, inputs, {"", nodes});
  }
};

TEST_F(CompareOutputsTest, TheSameNetworksHaveTheSameOutputs) {
  const OutputComparison comparison = compare({}, {}, {"*"});
  EXPECT_EQ(comparison.first_difference, std::nullopt);
  EXPECT_EQ(comparison.outputs.identical, 1u);
  EXPECT_EQ(comparison.nodes.identical, 1u);
  EXPECT_TRUE(std::isinf(comparison.min_sqnr_db()));
  EXPECT_EQ(comparison.max_relative_l2(), 0);
}

TEST_F(CompareOutputsTest, SaysHowFarApartAndWhereItBegins) {
  // [7, 10] and [7.5, 10].
  const OutputComparison comparison = compare({}, {.first_weight = 1.5F}, {"product"});
  EXPECT_EQ(comparison.first_difference, "h");
  EXPECT_DOUBLE_EQ(comparison.outputs.tensors[0].errors.max_abs_d, 0.5);
  EXPECT_NEAR(comparison.max_relative_l2(), 0.5 / std::sqrt(149), 1e-12);
  EXPECT_NEAR(comparison.min_sqnr_db(), 10 * std::log10(149 / 0.25), 1e-9);
}

TEST_F(CompareOutputsTest, ErrorsNameTheFile) {
  EXPECT_THAT([&] { (void)compare({}, {.batch = 4}); },
              testing::ThrowsMessage<Error>(testing::HasSubstr("2.onnx")));
}

}  // namespace
}  // namespace narrow
