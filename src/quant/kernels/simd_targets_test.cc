// Every instruction set gives the bits of the reference.
#include "quant/kernels/simd_targets.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/random.h"
#include "narrow/error.h"
#include "quant/fitting/value_fit.h"
#include "quant/reference_quantizer.h"
#include "quant/testing/test_values.h"

namespace narrow {
namespace {

TEST(SimdTargets, AllThatRunCanBeForced) {
  const std::vector<std::string> runnable = runnable_simd_targets();
  const std::size_t compiled = compiled_simd_targets().size();
  // A build for one machine has one.
  EXPECT_GE(runnable.size(), std::min<std::size_t>(2, compiled)) << "only " << runnable.front();
  EXPECT_GE(compiled, runnable.size());
  EXPECT_EQ(chosen_simd_target(), runnable.front());
  for (const std::string& name : runnable) {
    const ForcedSimdTarget forced(name);
    EXPECT_EQ(chosen_simd_target(), name);
  }
  EXPECT_THROW(ForcedSimdTarget("AVX9"), Error);
  EXPECT_EQ(chosen_simd_target(), runnable.front());
}

// What the functions of quantize_values.h must give.
struct Expected {
  BlockParams params;
  std::vector<std::int64_t> codes;
  std::vector<float> restored;
  ErrorSums sums;
};

Expected expected_of(const std::vector<float>& values, const Scheme& scheme) {
  Expected expected;
  float lo = values.front();
  float hi = lo;
  for (const float value : values) {
    if (value < lo || (value == lo && std::signbit(value))) lo = value;
    if (value > hi || (value == hi && !std::signbit(value))) hi = value;
  }
  expected.params = fit_needs_values(scheme) ? fit(values, scheme) : fit_range(lo, hi, scheme);
  for (const float value : values) {
    expected.codes.push_back(reference_code(value, scheme, expected.params));
    expected.restored.push_back(
        reference_float(reference_value(expected.codes.back(), scheme, expected.params)));
  }
  const std::vector<double> x(values.begin(), values.end());
  const std::vector<double> r(expected.restored.begin(), expected.restored.end());
  expected.sums = reference_sums(x, r);
  if (has_format(scheme)) {
    expected.sums.overflowed = static_cast<std::uint64_t>(std::ranges::count_if(
        values, [&](float value) { return reference_overflows(value, scheme, expected.params); }));
  }
  return expected;
}

void check(const std::vector<float>& values, const Scheme& scheme) {
  SCOPED_TRACE(scheme_text(scheme) + ", " + std::to_string(values.size()) + " values, " +
               chosen_simd_target());
  const Expected expected = expected_of(values, scheme);
  const BlockParams params = fit(values, scheme);
  ASSERT_EQ(params, expected.params);
  ASSERT_EQ(std::signbit(params.lo), std::signbit(expected.params.lo));
  std::vector<std::int64_t> codes(values.size());
  encode(values, scheme, params, codes);
  ASSERT_EQ(codes, expected.codes);
  std::vector<float> decoded(values.size());
  decode(codes, scheme, params, decoded);
  ASSERT_TRUE(same_bits(decoded, expected.restored));
  std::vector<float> in_place = values;
  const ErrorSums sums = round_trip(in_place, scheme, params, in_place);
  ASSERT_TRUE(same_bits(in_place, expected.restored));
  ASSERT_TRUE(same_bits(sums, expected.sums));
  ErrorSums measured = measure_error(values, in_place);
  measured.overflowed = sums.overflowed;
  ASSERT_TRUE(same_bits(measured, expected.sums));
}

void check_all_targets(const std::vector<float>& values, const Scheme& scheme) {
  for (const std::string& name : runnable_simd_targets()) {
    const ForcedSimdTarget forced(name);
    check(values, scheme);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(SimdTargets, EveryWidthAndScheme) {
  RandomStream random(1, "widths");
  for (const Scheme& base : all_schemes()) {
    for (int bits = 1; bits <= 32; ++bits) {
      Scheme scheme = base;
      scheme.bits = bits;
      if (scheme.kind == SchemeKind::kSymmetric && bits == 1) continue;
      for (const ValueKind kind : kValueKinds) {
        check_all_targets(random_values(kind, 333, &random), scheme);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(SimdTargets, FixedPointFormats) {
  RandomStream random(4, "formats");
  for (Scheme scheme : format_schemes()) {
    for (const int bits : {1, 2, 3, 8, 16, 24, 31, 32}) {
      if (!has_width(scheme, bits)) continue;
      scheme.bits = bits;
      for (const ValueKind kind : kValueKinds) {
        const std::vector<float> values = random_values(kind, 150, &random);
        check_all_targets(values, scheme);
        // The ends of a block tell whether any of its values overflows.
        const BlockParams params = fit(values, scheme);
        ASSERT_EQ(has_format(scheme) && params.clips,
                  has_format(scheme) && expected_of(values, scheme).sums.overflowed > 0);
        if (HasFatalFailure()) return;
      }
    }
  }
}

// Ties and their neighbours around 0 and around both ends of the codes, and values far outside.
TEST(SimdTargets, FixedPointFormatsAtTheirEnds) {
  for (Scheme scheme : format_schemes()) {
    for (const int bits : {1, 2, 8, 24, 32}) {
      if (!has_width(scheme, bits)) continue;
      scheme.bits = bits;
      const int n = scheme.format.fraction_bits.value_or(0);
      std::vector<float> values = {FLT_MAX, -FLT_MAX, FLT_TRUE_MIN, -FLT_TRUE_MIN, 0.0F, -0.0F};
      const double codes = std::ldexp(1, bits);
      for (const double code : {0.0, codes / 2, codes, 3 * codes, 1000 * codes}) {
        for (const double part : {-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0}) {
          const auto value = static_cast<float>(std::ldexp(code + part, -n));
          for (const float near :
               {std::nextafter(value, -FLT_MAX), value, std::nextafter(value, FLT_MAX)}) {
            if (!std::isfinite(near)) continue;
            values.push_back(near);
            values.push_back(-near);
          }
        }
      }
      check_all_targets(values, scheme);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(SimdTargets, FitsOfAllValues) {
  RandomStream random(3, "values");
  for (Scheme scheme : value_schemes()) {
    for (const int bits : {1, 2, 3, 4, 5, 7, 8, 11, 16, 32}) {
      if (!has_width(scheme, bits)) continue;
      scheme.bits = bits;
      for (const ValueKind kind : kValueKinds) {
        const std::vector<float> values = random_values(kind, 1 + random.below(300), &random);
        // Values that were not fitted too: they are clamped.
        const std::vector<float> others = random_values(kind, 100, &random);
        const BlockParams params = fit(values, scheme);
        check_all_targets(values, scheme);
        for (const std::string& name : runnable_simd_targets()) {
          const ForcedSimdTarget forced(name);
          std::vector<std::int64_t> codes(others.size());
          encode(others, scheme, params, codes);
          for (std::size_t i = 0; i < codes.size(); ++i) {
            ASSERT_EQ(codes[i], reference_code(others[i], scheme, params)) << scheme_text(scheme);
          }
        }
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(SimdTargets, LevelsOfCodebooksFromElsewhere) {
  const Scheme scheme{SchemeKind::kCodebook, 2, Scaling::kBinary, {}};
  BlockParams params;
  params.levels = {-1, 0.5F, 0.5F, 2};
  const std::vector<float> values = {-9,   -0.25F, std::nextafter(-0.25F, 0.0F), 0.5F, 0.6F, 1.25F,
                                     1.3F, 7};
  for (const std::string& name : runnable_simd_targets()) {
    const ForcedSimdTarget forced(name);
    std::vector<std::int64_t> codes(values.size());
    encode(values, scheme, params, codes);
    EXPECT_EQ(codes, (std::vector<std::int64_t>{0, 0, 1, 1, 2, 2, 3, 3})) << name;
  }
  std::vector<std::int64_t> codes(values.size());
  for (const std::vector<float>& levels :
       {std::vector<float>{}, {0, 1, 2}, {0, 1, 1, 0.5F}, {0, 1, 2, NAN}, {-INFINITY, 0, 1, 2}}) {
    params.levels = levels;
    EXPECT_THROW(encode(values, scheme, params, codes), Error);
  }
}

TEST(SimdTargets, EveryLengthAroundTheVectors) {
  RandomStream random(2, "lengths");
  for (const Scheme& scheme : all_schemes()) {
    for (std::size_t length = 1; length <= 70; ++length) {
      check_all_targets(random_values(ValueKind::kNormal, length, &random), scheme);
    }
    for (const std::size_t length : {2047U, 2048U, 2049U, 4096U, 5003U}) {
      check_all_targets(random_values(ValueKind::kNormal, length, &random), scheme);
    }
    if (HasFatalFailure()) return;
  }
}

TEST(SimdTargets, EdgeBlocks) {
  const std::vector<std::vector<float>> blocks = {
      {0.0F},
      {-0.0F},
      {-0.0F, 0.0F, -0.0F},
      {0.0F, 0.0F, 0.0F, 0.0F, 0.0F},
      {1.5F},
      {-3.25F, -3.25F, -3.25F},
      {FLT_TRUE_MIN},
      {-FLT_TRUE_MIN, FLT_TRUE_MIN, 0.0F},
      {FLT_MAX},
      {-FLT_MAX, FLT_MAX},
      {-FLT_MAX, 0.0F, FLT_MAX, 1.0F},
      {FLT_MIN, FLT_TRUE_MIN, 3 * FLT_TRUE_MIN},
      {-1.0F, 1.0F},
      {-1.0F, -2.0F, -3.0F, -4.0F},
      {1.0F, std::nextafter(1.0F, 2.0F)},
      {-0.5F, -0.25F, 0.25F, 0.5F, 0.75F, 1.5F, 2.5F, -1.5F, -2.5F}};
  for (const Scheme& base : all_schemes()) {
    for (int bits = 2; bits <= 32; ++bits) {
      Scheme scheme = base;
      scheme.bits = bits;
      for (const std::vector<float>& block : blocks) check_all_targets(block, scheme);
      if (HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace narrow
