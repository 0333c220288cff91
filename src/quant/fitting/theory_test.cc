// What theory says about the best uniform quantizer and the best codebook: J. Max, "Quantizing for
// minimum distortion", IRE Transactions on Information Theory 6, 1960, and the same calculation for
// the Laplacian distribution.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "quant/testing/test_values.h"

namespace narrow {
namespace {

constexpr std::size_t kSamples = 200000;

// Relative errors in percent at 1 to 8 bits.
struct Theory {
  std::array<double, 8> bin;
  std::array<double, 8> codebook;
};
constexpr Theory kGauss = {{60.28, 34.47, 19.35, 10.74, 5.91, 3.22, 1.74, 0.94},
                           {60.28, 34.28, 18.59, 9.75, 5.00, 2.54, 1.28, 0.64}};
constexpr Theory kLaplace = {{70.70, 44.29, 26.76, 15.89, 9.29, 5.34, 3.01, 1.66},
                             {70.70, 41.96, 23.32, 12.37, 6.37, 3.22, 1.62, 0.81}};

double percent(const std::vector<float>& values, const Scheme& scheme) {
  std::vector<float> restored(values.size());
  return 100 * round_trip(values, scheme, fit(values, scheme), restored).relative_l2();
}

void check(const std::vector<float>& values, const Theory& theory) {
  for (int bits = 1; bits <= 8; ++bits) {
    const auto entry = static_cast<std::size_t>(bits - 1);
    Scheme scheme;
    scheme.bits = bits;
    scheme.range.kind = Range::Kind::kMse;
    const double bin = percent(values, scheme);
    const double codebook = percent(values, {SchemeKind::kCodebook, bits, Scaling::kBinary, {}});
    // The table has two decimals. From 7 bits on a sixth of the squared error comes from a dozen
    // samples in the tails.
    const double tolerance = bits <= 6 ? 0.02 : 0.05;
    EXPECT_NEAR(bin, theory.bin.at(entry), theory.bin.at(entry) * tolerance + 0.005) << bits;
    EXPECT_NEAR(codebook, theory.codebook.at(entry), theory.codebook.at(entry) * tolerance + 0.005)
        << bits;
    EXPECT_LE(codebook, bin * (1 + 1e-6)) << bits;
  }
}

TEST(Theory, Gauss) {
  RandomStream random(1960, "gauss");
  std::vector<float> values(kSamples);
  std::ranges::generate(values, [&] { return static_cast<float>(random.normal()); });
  check(values, kGauss);
}

TEST(Theory, Laplace) {
  RandomStream random(1960, "laplace");
  std::vector<float> values(kSamples);
  std::ranges::generate(values, [&] {
    const double u = random.uniform() - 0.5;
    return static_cast<float>(-std::copysign(std::log1p(-2 * std::fabs(u)), u));
  });
  check(values, kLaplace);
}

// A codebook may put its levels where a bin has them.
TEST(Theory, CodebooksAreNeverWorseThanBins) {
  RandomStream random(11, "never worse");
  for (const ValueKind kind : {ValueKind::kNormal, ValueKind::kPositive, ValueKind::kGrid}) {
    for (int bits = 1; bits <= 8; ++bits) {
      const std::vector<float> values = random_values(kind, 50 + random.below(5000), &random);
      Scheme scheme;
      scheme.bits = bits;
      scheme.range.kind = Range::Kind::kMse;
      EXPECT_LE(percent(values, {SchemeKind::kCodebook, bits, Scaling::kBinary, {}}),
                percent(values, scheme) * (1 + 1e-6) + 1e-5)
          << bits;
    }
  }
}

}  // namespace
}  // namespace narrow
