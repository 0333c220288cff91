#include "methods/scales/absorb_scales.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"
#include "narrow/error.h"
#include "quant/tensor_grid.h"

namespace narrow {
namespace {

constexpr std::size_t kDepth = 16;
const Shape kShape = {3, 3, 32, kDepth};
const std::vector<double> kAlike(9, 1.0);

// Channels of very different size; channel 5 is zero.
std::vector<float> spread_weights() {
  RandomStream stream(1, "weights");
  std::vector<float> values(element_count(kShape));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double size = std::exp2(static_cast<double>(i % kDepth) / 2);
    values[i] = i % kDepth == 5 ? 0.0F : static_cast<float>(0.01 * size * stream.normal());
  }
  return values;
}

Scheme scheme_of(SchemeKind kind, int bits, Range::Kind range) {
  Scheme scheme;
  scheme.kind = kind;
  scheme.bits = bits;
  scheme.range.kind = range;
  return scheme;
}

// Squared error in units of the weights.
double error_of(std::span<const float> weights, const AbsorbedScales& scales, const Scheme& scheme,
                const std::vector<double>& tap_shares = kAlike) {
  const TensorGrid grid(scales.bound, scheme, {"weights", DType::kFloat32, kShape});
  double sum = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const double factor = scales.factors[i % kDepth];
    const auto scaled = static_cast<float>(weights[i] * factor);
    std::int64_t code = 0;
    float restored = 0;
    grid.encode(i, {&scaled, 1}, {&code, 1});
    grid.decode(i, {&code, 1}, {&restored, 1});
    sum += tap_shares[i / (32 * kDepth)] *
           std::pow((static_cast<double>(restored) - scaled) / factor, 2);
  }
  return sum;
}

TEST(AbsorbScales, EveryChannelFillsTheRange) {
  const auto weights = spread_weights();
  for (const SchemeKind kind : {SchemeKind::kBin, SchemeKind::kFixedPoint}) {
    const AbsorbedScales scales =
        absorbable_scales(weights, kShape, kAlike, scheme_of(kind, 4, Range::Kind::kMinMax));
    std::vector<double> largest(kDepth);
    for (std::size_t i = 0; i < weights.size(); ++i) {
      double& found = largest[i % kDepth];
      found = std::max(found, std::fabs(weights[i] * scales.factors[i % kDepth]));
    }
    for (std::size_t c = 0; c < kDepth; ++c) {
      EXPECT_GE(scales.factors[c], 1);
      if (c != 5) {
        EXPECT_NEAR(largest[c], scales.bound, 1e-6 * scales.bound);
      }
    }
    EXPECT_EQ(scales.factors[5], 0x1p20);
    int exponent = 0;
    EXPECT_EQ(std::frexp(scales.bound, &exponent), kind == SchemeKind::kBin ? 0.5 : 0.875);
  }
}

TEST(AbsorbScales, LeastSquaredErrorIsNoWorseThanTheLargestWeight) {
  const auto weights = spread_weights();
  for (const SchemeKind kind :
       {SchemeKind::kBin, SchemeKind::kFixedPoint, SchemeKind::kAffine, SchemeKind::kSymmetric}) {
    for (const int bits : {2, 3, 4, 8}) {
      const Scheme minmax = scheme_of(kind, bits, Range::Kind::kMinMax);
      const Scheme mse = scheme_of(kind, bits, Range::Kind::kMse);
      const double clipped =
          error_of(weights, absorbable_scales(weights, kShape, kAlike, mse), mse);
      const double whole =
          error_of(weights, absorbable_scales(weights, kShape, kAlike, minmax), minmax);
      EXPECT_LE(clipped, whole);
      if (bits <= 3) {
        EXPECT_LT(clipped, 0.9 * whole) << bits;
      }
    }
  }
}

TEST(AbsorbScales, TapsCountByTheirShares) {
  const auto weights = spread_weights();
  const Scheme mse = scheme_of(SchemeKind::kBin, 3, Range::Kind::kMse);
  const std::vector<double> shares = {0, 0, 0, 0, 1, 0.1, 0, 0.1, 0.01};
  const AbsorbedScales weighted = absorbable_scales(weights, kShape, shares, mse);
  const AbsorbedScales alike = absorbable_scales(weights, kShape, kAlike, mse);
  EXPECT_LT(error_of(weights, weighted, mse, shares), error_of(weights, alike, mse, shares));
  EXPECT_LT(error_of(weights, alike, mse), error_of(weights, weighted, mse));
}

TEST(AbsorbScales, TapsThatMeetPaddingOnlyDoNotWidenTheRange) {
  auto weights = spread_weights();
  weights[0] = 3;  // of output channel 0, in the first tap
  std::vector<double> shares(9, 1.0);
  shares[0] = 0;
  const Scheme scheme = scheme_of(SchemeKind::kBin, 4, Range::Kind::kMinMax);
  const AbsorbedScales scales = absorbable_scales(weights, kShape, shares, scheme);
  double largest = 0;
  for (std::size_t i = 32 * kDepth; i < weights.size(); i += kDepth) {
    largest = std::max(largest, std::fabs(double{weights[i]}));
  }
  EXPECT_NEAR(largest * scales.factors[0], scales.bound, 1e-6 * scales.bound);
}

TEST(AbsorbScales, ATensorOfZerosHasARange) {
  const std::vector<float> zeros(element_count(kShape));
  const AbsorbedScales scales = absorbable_scales(
      zeros, kShape, kAlike, scheme_of(SchemeKind::kBin, 4, Range::Kind::kMinMax));
  EXPECT_GT(scales.bound, 0);
}

TEST(AbsorbScales, GridsWithoutAFittingRangeAreRefused) {
  const auto weights = spread_weights();
  Scheme scheme = scheme_of(SchemeKind::kFixedPoint, 1, Range::Kind::kMinMax);
  EXPECT_THROW(absorbable_scales(weights, kShape, kAlike, scheme), Error);
  scheme.bits = 8;
  scheme.scaling = Scaling::kDecimal;
  EXPECT_THROW(absorbable_scales(weights, kShape, kAlike, scheme), Error);
}

}  // namespace
}  // namespace narrow
