#include "quant/blocks/float_steps.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
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

constexpr std::array<SchemeKind, 3> kKinds = {SchemeKind::kBin, SchemeKind::kAffine,
                                              SchemeKind::kSymmetric};

Scheme scheme_of(SchemeKind kind, int bits) {
  Scheme scheme;
  scheme.kind = kind;
  scheme.bits = bits;
  return scheme;
}

FloatSteps found(SchemeKind kind, int bits, float lo, float hi) {
  const Scheme scheme = scheme_of(kind, bits);
  const BlockParams params = fit_range(lo, hi, scheme);
  return find_float_steps(scheme, params, block_constants(scheme, params));
}

// The code that n stands for, less n.
std::int64_t offset_of(const Scheme& scheme, const BlockParams& params) {
  return scheme.kind == SchemeKind::kBin ? std::int64_t{1} << (scheme.bits - 1) : params.zero;
}

float formula(std::int64_t code, const Scheme& scheme, const BlockParams& params) {
  return reference_float(reference_value(code, scheme, params));
}

TEST(FloatSteps, AppliesToWeights) {
  for (const SchemeKind kind : kKinds) {
    for (int bits = 2; bits <= 10; ++bits) {
      EXPECT_TRUE(found(kind, bits, -0.2137F, 0.1893F).applies) << to_string(kind) << bits;
      EXPECT_TRUE(found(kind, bits, 0, 3.7F).applies) << to_string(kind) << bits;
      EXPECT_TRUE(found(kind, bits, -1, 0.9F).applies) << to_string(kind) << bits;
    }
  }
  EXPECT_TRUE(found(SchemeKind::kBin, 1, -0.2137F, 0.1893F).applies);
}

TEST(FloatSteps, DoesNotApplyWhereFloat32IsTooCoarse) {
  for (const SchemeKind kind : kKinds) {
    EXPECT_FALSE(found(kind, 11, -1, 1).applies) << "more codes than are worth it";
    EXPECT_FALSE(found(kind, 8, 0, 1e-30F).applies);
    EXPECT_FALSE(found(kind, 8, -1e30F, 1e30F).applies);
  }
  EXPECT_FALSE(found(SchemeKind::kBin, 8, 100, 100.001F).applies) << "most values are in doubt";
  EXPECT_FALSE(found(SchemeKind::kBin, 8, 0.5F, 0.5F).applies) << "a constant";
}

// 0.5 and 2.5 steps from 0: both ends round away from it, to four codes and no place for the
// fourth.
TEST(FloatSteps, DoesNotApplyWhereTheGreatestCodeIsClamped) {
  EXPECT_FALSE(found(SchemeKind::kAffine, 2, -1.5F, 1.5F).applies);
  EXPECT_TRUE(found(SchemeKind::kAffine, 2, -1, 2).applies);
}

TEST(FloatSteps, PaysForManyValues) {
  EXPECT_TRUE(float_steps_pay(8, 64 * 256));
  EXPECT_FALSE(float_steps_pay(8, 64 * 256 - 1));
  EXPECT_FALSE(float_steps_pay(11, 1U << 30));
}

rc::Gen<float> range_end() {
  return rc::gen::map(rc::gen::inRange(-(1 << 24), 1 << 24),
                      [](int i) { return static_cast<float>(i) * 0x1p-22F; });
}

struct AnyBlock {
  Scheme scheme;
  BlockParams params;
  FloatSteps steps;
};

AnyBlock any_block() {
  const Scheme scheme = scheme_of(*rc::gen::elementOf(kKinds), *rc::gen::inRange(2, 11));
  const float a = *range_end();
  const float b = *range_end();
  const BlockParams params = fit_range(std::min(a, b), std::max(a, b), scheme);
  return {scheme, params, find_float_steps(scheme, params, block_constants(scheme, params))};
}

RC_GTEST_PROP(FloatSteps, EveryCodeRestoresToTheFormula, ()) {
  const auto [scheme, params, steps] = any_block();
  RC_TAG(steps.applies);
  if (!steps.applies) return;
  const CodeRange range = code_range(scheme, params);
  for (std::int64_t code = range.min; code <= range.max; ++code) {
    const auto n = static_cast<float>(code - offset_of(scheme, params));
    const float coarse = n * steps.coarse_down + steps.coarse_middle;
    RC_ASSERT(coarse == std::fma(n, steps.coarse_down, steps.coarse_middle));
    const float expected = formula(code, scheme, params);
    RC_ASSERT(coarse + (n * steps.fine_down + steps.fine_middle) == expected);
    RC_ASSERT(coarse + std::fma(n, steps.fine_down, steps.fine_middle) == expected);
  }
}

RC_GTEST_PROP(FloatSteps, NearPositionsAreTheCode, ()) {
  const auto [scheme, params, steps] = any_block();
  if (!steps.applies) return;
  RandomStream random(*rc::gen::arbitrary<std::uint32_t>(), "positions");
  const bool is_bin = scheme.kind == SchemeKind::kBin;
  const auto codes = static_cast<double>(std::int64_t{1} << scheme.bits);
  for (int i = 0; i < 1000; ++i) {
    // Half of them next to where a code begins.
    const double any_code = std::floor(random.uniform() * codes);
    const double begin = is_bin ? params.lo + any_code * params.bin_width
                                : (any_code - codes / 2 + 0.5) * params.scale;
    const auto any = static_cast<float>(params.lo + random.uniform() * (params.hi - params.lo));
    float x = i % 2 == 0 ? any : static_cast<float>(begin);
    for (std::uint64_t step = random.below(8); step > 0; --step) x = std::nextafter(x, any);
    if (x < params.lo || x > params.hi) continue;
    for (const float position :
         {x * steps.up + steps.offset, std::fma(x, steps.up, steps.offset)}) {
      const float nearest = std::nearbyint(position);
      if (std::abs(position - nearest) > steps.greatest_distance) continue;
      RC_ASSERT(static_cast<std::int64_t>(nearest) + offset_of(scheme, params) ==
                reference_code(x, scheme, params));
    }
  }
}

// Where codes begin and around, and anything between.
std::vector<float> values_around_codes(const Scheme& scheme, float lo, float hi) {
  RandomStream random(7, "around");
  const BlockParams params = fit_range(lo, hi, scheme);
  const bool is_bin = scheme.kind == SchemeKind::kBin;
  const double offset = scheme.kind == SchemeKind::kAffine ? static_cast<double>(params.zero)
                                                           : std::ldexp(0.5, scheme.bits);
  std::vector<float> values = {lo, hi};
  while (values.size() < std::max(kChunk * 9, std::size_t{64} << scheme.bits) + 5) {
    const double code = std::floor(random.uniform() * std::ldexp(1.0, scheme.bits));
    const auto begin = static_cast<float>(is_bin ? lo + code * params.bin_width
                                                 : (code - offset - 0.5) * params.scale);
    for (const float x : {begin, std::nextafter(begin, lo), std::nextafter(begin, hi),
                          static_cast<float>(lo + random.uniform() * (double{hi} - lo))}) {
      values.push_back(std::clamp(x, lo, hi));
    }
  }
  return values;
}

void check_kernels(const Scheme& scheme) {
  const std::vector<float> values = values_around_codes(scheme, -0.2137F, 0.1893F);
  const BlockParams params = fit(values, scheme);
  std::vector<float> expected;
  for (const float x : values) {
    expected.push_back(formula(reference_code(x, scheme, params), scheme, params));
  }
  LocalBlock block;
  const BlockConstants& constants = block.fitted(scheme, params, values.size());
  ASSERT_TRUE(constants.fitted && constants.float_steps.applies);
  for (const std::string& name : runnable_simd_targets()) {
    const ForcedSimdTarget forced(name);
    const auto& rule_kernels = kernels().block[static_cast<std::size_t>(rule_of(scheme))];
    std::vector<float> restored = values;
    LaneSums sums;
    rule_kernels.round_trip(constants, restored.data(), restored.size(), &sums, nullptr);
    EXPECT_TRUE(same_bits(restored, expected)) << name << ", " << scheme_text(scheme);
    std::ranges::fill(restored, 0.0F);
    rule_kernels.restore_float(constants, values.data(), values.size(), restored.data());
    EXPECT_TRUE(same_bits(restored, expected)) << name << ", " << scheme_text(scheme);
  }
}

TEST(FloatSteps, KernelsGiveTheReference) {
  for (const SchemeKind kind : kKinds) {
    for (const int bits : {2, 4, 7, 8, 10}) check_kernels(scheme_of(kind, bits));
  }
  check_kernels(scheme_of(SchemeKind::kBin, 1));
}

}  // namespace
}  // namespace narrow
