#include "tasks/activations/layer_codes.h"

#include <gtest/gtest.h>

#include "base/testing/expected_error.h"
#include "checkpoint/testing/memory_checkpoint.h"
#include "tensor/element_values.h"

namespace narrow {
namespace {

MemoryTensor numbers(const std::string& name, const std::vector<double>& values) {
  return {{name, DType::kFloat32, {static_cast<std::int64_t>(values.size())}},
          encode_reals(DType::kFloat32, values),
          {}};
}

// Two channels of two weights with the fixed-point codes of one format each, behind which a norm
// has slopes 2 and -2.
std::optional<LayerCodes> fixed_point(int bits, const std::vector<double>& weights,
                                      const std::vector<double>& gamma = {2, -2},
                                      const std::vector<double>& original = {}) {
  const MemoryReader tensors({numbers("w", weights), numbers("gamma", gamma),
                              numbers("beta", {0, 1}), numbers("mean", {0, 0}),
                              numbers("variance", {1, 1})});
  LinearLayer layer;
  layer.weights = "w";
  layer.weights_shape = {2, 2, 1, 1};
  layer.out_channels = 2;
  layer.columns = 2;
  layer.norm = LinearNorm{"gamma", "beta", "mean", "variance", 0};
  TensorResult result;
  result.quantized = true;
  result.scheme.kind = SchemeKind::kFixedPoint;
  result.scheme.bits = bits;
  result.scheme.granularity.kind = Granularity::Kind::kChannel;
  result.scheme.granularity.axis = 0;
  result.blocks = 2;
  result.params.resize(2);
  for (std::size_t c = 0; c < 2; ++c) {
    result.params[c].fraction_bits = 1;
    result.params[c].is_signed = weights[2 * c] < 0 || weights[2 * c + 1] < 0;
  }
  return layer_codes(layer, &result, tensors, original);
}

TEST(LayerCodes, TurnedAroundTheyStayInTheirType) {
  const auto codes = fixed_point(8, {-64, 63.5, -64, 63.5});
  EXPECT_EQ(codes->type, DType::kInt8);
  EXPECT_EQ(codes->codes, (std::vector<std::int64_t>{-128, 127, 127, -127}));
  EXPECT_EQ(codes->scales, (std::vector<double>{1, 1}));
}

// Slopes of 0.75 and -3: the products are quantized, by formats of their own.
TEST(LayerCodes, FixedPointKeepsPowersOfTwo) {
  const auto codes = fixed_point(8, {-64, 63.5, -1, 0.5}, {0.75, -3}, {-64, 63.3, -1, 0.4});
  EXPECT_EQ(codes->scales, (std::vector<double>{0.5, 1.0 / 32}));
  EXPECT_EQ(codes->codes, (std::vector<std::int64_t>{-96, 95, 96, -38}));
  const auto restored = fixed_point(8, {-64, 63.5, -1, 0.5}, {0.75, -3});
  EXPECT_EQ(restored->codes, (std::vector<std::int64_t>{-96, 95, 96, -48}));
}

TEST(LayerCodes, UnsignedOnesGetASignWhereSomeAreNegative) {
  const auto turned = fixed_point(8, {1, 127.5, 1, 127.5});
  EXPECT_EQ(turned->type, DType::kInt16);
  EXPECT_EQ(turned->codes, (std::vector<std::int64_t>{2, 255, -2, -255}));
  const auto few = fixed_point(6, {1, 31.5, 1, 31.5});
  EXPECT_EQ(few->type, DType::kInt8);
  EXPECT_EQ(few->codes, (std::vector<std::int64_t>{2, 63, -2, -63}));
  EXPECT_NE(error_message(ErrorCategory::kUsage,
                          [] {
                            fixed_point(16, {1, 2, 3, 4});
                          })
                .find("w: codes of 16 bits, of which only some have a sign"),
            std::string::npos);
}

}  // namespace
}  // namespace narrow
