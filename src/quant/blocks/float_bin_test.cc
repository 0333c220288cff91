#include "quant/blocks/float_bin.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <bit>
#include <cmath>
#include <vector>

#include "base/random.h"
#include "quant/blocks/local_block.h"
#include "quant/error_sums.h"
#include "quant/kernels/simd_targets.h"
#include "quant/reference_quantizer.h"
#include "quant/testing/test_values.h"

namespace narrow {
namespace {

Scheme bins(int bits) {
  Scheme scheme;
  scheme.bits = bits;
  return scheme;
}

FloatBin found(int bits, float lo, float hi) {
  return find_float_bin(bits, block_constants(bins(bits), fit_range(lo, hi, bins(bits))));
}

float formula(std::int64_t code, const Scheme& scheme, const BlockParams& params) {
  return reference_float(reference_value(code, scheme, params));
}

TEST(FloatBin, AppliesToWeights) {
  for (int bits = 1; bits <= 10; ++bits) {
    EXPECT_TRUE(found(bits, -0.2137F, 0.1893F).applies) << bits;
    EXPECT_TRUE(found(bits, 0, 3.7F).applies) << bits;
    EXPECT_TRUE(found(bits, -1, 1).applies) << bits;
  }
}

TEST(FloatBin, DoesNotApplyWhereFloat32IsTooCoarse) {
  EXPECT_FALSE(found(11, -1, 1).applies) << "more codes than are worth it";
  EXPECT_FALSE(found(8, 100, 100.001F).applies) << "most values are in doubt";
  EXPECT_FALSE(found(8, 0.5F, 0.5F).applies) << "a constant";
  EXPECT_FALSE(found(8, 0, 1e-30F).applies);
  EXPECT_FALSE(found(8, -1e30F, 1e30F).applies);
}

TEST(FloatBin, PaysForManyValues) {
  EXPECT_TRUE(float_bin_pays(8, 64 * 256));
  EXPECT_FALSE(float_bin_pays(8, 64 * 256 - 1));
  EXPECT_FALSE(float_bin_pays(11, 1U << 30));
}

rc::Gen<float> range_end() {
  return rc::gen::map(rc::gen::inRange(-(1 << 24), 1 << 24),
                      [](int i) { return static_cast<float>(i) * 0x1p-22F; });
}

struct AnyBlock {
  Scheme scheme;
  BlockParams params;
  FloatBin bin;
};

AnyBlock any_block() {
  const Scheme scheme = bins(*rc::gen::inRange(1, 11));
  const float a = *range_end();
  const float b = *range_end();
  const BlockParams params = fit_range(std::min(a, b), std::max(a, b), scheme);
  const FloatBin bin = find_float_bin(scheme.bits, block_constants(scheme, params));
  return {scheme, params, bin};
}

RC_GTEST_PROP(FloatBin, EveryCodeRestoresToTheFormula, ()) {
  const auto [scheme, params, bin] = any_block();
  RC_TAG(bin.applies);
  if (!bin.applies) return;
  const std::int64_t half = std::int64_t{1} << (scheme.bits - 1);
  for (std::int64_t code = 0; code < 2 * half; ++code) {
    const auto n = static_cast<float>(code - half);
    const float coarse = n * bin.coarse_down + bin.coarse_middle;
    RC_ASSERT(coarse == std::fma(n, bin.coarse_down, bin.coarse_middle));
    const float expected = formula(code, scheme, params);
    RC_ASSERT(coarse + (n * bin.fine_down + bin.fine_middle) == expected);
    RC_ASSERT(coarse + std::fma(n, bin.fine_down, bin.fine_middle) == expected);
  }
}

RC_GTEST_PROP(FloatBin, NearPositionsAreTheCode, ()) {
  const auto [scheme, params, bin] = any_block();
  if (!bin.applies) return;
  RandomStream random(*rc::gen::arbitrary<std::uint32_t>(), "positions");
  const double half = std::ldexp(0.5, scheme.bits);
  for (int i = 0; i < 1000; ++i) {
    // Half of them next to where a bin begins.
    const double begin = params.lo + std::floor(random.uniform() * 2 * half) * params.bin_width;
    const auto any = static_cast<float>(params.lo + random.uniform() * (params.hi - params.lo));
    float x = i % 2 == 0 ? any : static_cast<float>(begin);
    for (std::uint64_t step = random.below(8); step > 0; --step) x = std::nextafter(x, any);
    if (x < params.lo || x > params.hi) continue;
    for (const float position : {x * bin.up + bin.offset, std::fma(x, bin.up, bin.offset)}) {
      const float nearest = std::nearbyint(position);
      if (std::abs(position - nearest) > bin.greatest_distance) continue;
      RC_ASSERT(static_cast<std::int64_t>(nearest + half) == reference_code(x, scheme, params));
    }
  }
}

// Where bins begin and around, and anything between.
std::vector<float> values_around_bins(const Scheme& scheme, float lo, float hi) {
  RandomStream random(7, "around");
  const double width = (double{hi} - lo) * std::ldexp(1.0, -scheme.bits);
  std::vector<float> values = {lo, hi};
  while (values.size() < std::size_t{kChunk} * 37 + 5) {
    const auto begin = static_cast<float>(
        lo + std::floor(random.uniform() * std::ldexp(1.0, scheme.bits)) * width);
    for (const float x : {begin, std::nextafter(begin, lo), std::nextafter(begin, hi),
                          static_cast<float>(lo + random.uniform() * (double{hi} - lo))}) {
      values.push_back(std::clamp(x, lo, hi));
    }
  }
  return values;
}

TEST(FloatBin, KernelsGiveTheReference) {
  for (const int bits : {1, 2, 4, 7, 8, 10}) {
    const Scheme scheme = bins(bits);
    const std::vector<float> values = values_around_bins(scheme, -0.2137F, 0.1893F);
    const BlockParams params = fit(values, scheme);
    std::vector<float> expected;
    for (const float x : values) {
      expected.push_back(formula(reference_code(x, scheme, params), scheme, params));
    }
    LocalBlock block;
    const BlockConstants& constants = block.fitted(scheme, params, values.size());
    ASSERT_TRUE(constants.fitted && constants.float_bin.applies);
    for (const std::string& name : runnable_simd_targets()) {
      const ForcedSimdTarget forced(name);
      std::vector<float> restored = values;
      LaneSums sums;
      kernels().block[static_cast<std::size_t>(Rule::kBin)].round_trip(
          constants, restored.data(), restored.size(), &sums, nullptr);
      EXPECT_TRUE(same_bits(restored, expected)) << name << ", " << bits << " bits";
    }
  }
}

}  // namespace
}  // namespace narrow
