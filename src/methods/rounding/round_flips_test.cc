#include "methods/rounding/round_flips.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/parallel.h"
#include "base/random.h"

namespace narrow {
namespace {

struct Rounded {
  std::vector<std::int64_t> nearest;
  std::vector<std::int64_t> codes;
  std::vector<double> errors;  // in steps
};

std::vector<float> random_weights(const Shape& shape, std::uint64_t seed) {
  RandomStream stream(seed, "weights");
  std::vector<float> values(element_count(shape));
  for (float& value : values) value = static_cast<float>(stream.normal());
  return values;
}

// All taps count alike without `tap_shares`.
Rounded rounded(const std::vector<float>& values, const Shape& shape, const Scheme& scheme,
                std::vector<double> tap_shares = {}) {
  if (tap_shares.empty()) tap_shares.assign(static_cast<std::size_t>(shape[0] * shape[1]), 1.0);
  const TensorGrid grid(values, scheme, {"weights", DType::kFloat32, shape}, -1);
  Rounded result;
  result.nearest.resize(values.size());
  grid.encode(0, values, result.nearest);
  result.codes = result.nearest;
  flip_to_keep_sums(grid, KernelPlaces::hwio(shape), tap_shares, values, result.codes);
  std::vector<float> restored(values.size());
  grid.decode(0, result.codes, restored);
  for (std::size_t i = 0; i < values.size(); ++i) {
    result.errors.push_back((static_cast<double>(restored[i]) - values[i]) / grid.step_of(i));
  }
  return result;
}

Scheme scheme_of(SchemeKind kind, int bits, Granularity::Kind granularity) {
  Scheme scheme;
  scheme.kind = kind;
  scheme.bits = bits;
  scheme.granularity.kind = granularity;
  return scheme;
}

// Sums of the errors of every output channel, or of every kernel of every output channel.
std::vector<double> sums(const Rounded& rounded, const Shape& shape, bool kernels) {
  const auto channels = static_cast<std::size_t>(shape[3]);
  const auto inputs = static_cast<std::size_t>(shape[2]);
  std::vector<double> result(kernels ? channels * inputs : channels);
  for (std::size_t i = 0; i < rounded.errors.size(); ++i) {
    const std::size_t kernel = i % (channels * inputs);
    result[kernels ? kernel : i % channels] += rounded.errors[i];
  }
  return result;
}

TEST(RoundFlips, SumsOfChannelsAndKernelsStaySmall) {
  for (const Shape& shape : {Shape{3, 3, 16, 8}, Shape{1, 1, 64, 5}, Shape{7, 7, 3, 4}}) {
    for (const auto granularity : {Granularity::Kind::kTensor, Granularity::Kind::kChannel}) {
      for (const SchemeKind kind : {SchemeKind::kBin, SchemeKind::kFixedPoint, SchemeKind::kAffine,
                                    SchemeKind::kSymmetric}) {
        const Rounded result =
            rounded(random_weights(shape, 1), shape, scheme_of(kind, 4, granularity));
        for (const double sum : sums(result, shape, false)) EXPECT_LE(std::fabs(sum), 0.5 + 1e-5);
        for (const double sum : sums(result, shape, true)) EXPECT_LE(std::fabs(sum), 1 + 1e-5);
        for (const double error : result.errors) EXPECT_LT(std::fabs(error), 1);
        EXPECT_NE(result.codes, result.nearest);
      }
    }
  }
}

TEST(RoundFlips, CodesAreNeighboursOfTheNearest) {
  const Shape shape = {3, 3, 16, 8};
  const Rounded result = rounded(random_weights(shape, 2), shape,
                                 scheme_of(SchemeKind::kBin, 3, Granularity::Kind::kTensor));
  for (std::size_t i = 0; i < result.codes.size(); ++i) {
    EXPECT_LE(std::abs(result.codes[i] - result.nearest[i]), 1);
    EXPECT_GE(result.codes[i], 0);
    EXPECT_LT(result.codes[i], 8);
  }
}

TEST(RoundFlips, ValuesOnTheGridStay) {
  const Shape shape = {3, 3, 4, 4};
  Scheme scheme = scheme_of(SchemeKind::kFixedPoint, 6, Granularity::Kind::kTensor);
  RandomStream stream(3, "codes");
  std::vector<float> values(element_count(shape));
  for (float& value : values) value = static_cast<float>(stream.below(63)) - 31.0F;
  values[0] = 31;
  values[1] = -31;
  const Rounded result = rounded(values, shape, scheme);
  EXPECT_EQ(result.codes, result.nearest);
}

TEST(RoundFlips, ConstantTensorsStay) {
  const Shape shape = {1, 1, 4, 4};
  const std::vector<float> values(16, 0.7F);
  const Rounded result =
      rounded(values, shape, scheme_of(SchemeKind::kBin, 4, Granularity::Kind::kTensor));
  EXPECT_EQ(result.codes, result.nearest);
}

TEST(RoundFlips, TapsCountByTheirShares) {
  const Shape shape = {3, 3, 16, 8};
  const std::vector<double> shares = {0.25, 0.5, 0.25, 0.5, 1, 0.5, 0.25, 0.5, 0.25};
  const auto values = random_weights(shape, 5);
  const Scheme scheme = scheme_of(SchemeKind::kBin, 3, Granularity::Kind::kTensor);
  const auto worst = [&](const Rounded& result) {
    std::vector<double> sums(8);
    for (std::size_t i = 0; i < result.errors.size(); ++i) {
      sums[i % 8] += shares[i / (16 * 8)] * result.errors[i];
    }
    double largest = 0;
    for (const double sum : sums) largest = std::max(largest, std::fabs(sum));
    return largest;
  };
  EXPECT_LE(worst(rounded(values, shape, scheme, shares)), 0.5 + 1e-5);
  EXPECT_GT(worst(rounded(values, shape, scheme)), 0.5);
}

TEST(RoundFlips, TapsThatMeetPaddingOnlyStay) {
  const Shape shape = {3, 3, 16, 8};
  const std::vector<double> centre = {0, 0, 0, 0, 1, 0, 0, 0, 0};
  const Rounded result =
      rounded(random_weights(shape, 6), shape,
              scheme_of(SchemeKind::kBin, 3, Granularity::Kind::kTensor), centre);
  EXPECT_NE(result.codes, result.nearest);
  for (std::size_t i = 0; i < result.codes.size(); ++i) {
    if (i / (16 * 8) != 4) {
      EXPECT_EQ(result.codes[i], result.nearest[i]);
    }
  }
}

TEST(RoundFlips, ThreadsDoNotMatter) {
  const Shape shape = {3, 3, 32, 64};
  const auto values = random_weights(shape, 4);
  const Scheme scheme = scheme_of(SchemeKind::kBin, 2, Granularity::Kind::kTensor);
  const ThreadLimit one(1);
  const auto expected = rounded(values, shape, scheme).codes;
  const ThreadLimit many(8);
  EXPECT_EQ(rounded(values, shape, scheme).codes, expected);
}

}  // namespace
}  // namespace narrow
