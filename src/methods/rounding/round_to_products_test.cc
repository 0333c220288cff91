#include "methods/rounding/round_to_products.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/parallel.h"
#include "base/random.h"
#include "methods/rounding/choose_shrinkage.h"
#include "methods/rounding/weighted_ranges.h"
#include "narrow/error.h"
#include "narrow/quantize_values.h"

namespace narrow {
namespace {

constexpr std::size_t kSize = 6;
constexpr std::size_t kOutputs = 20;

std::vector<float> random_rows() {
  RandomStream stream(7, "rows");
  std::vector<float> rows(kSize * kOutputs);
  for (float& value : rows) value = static_cast<float>(stream.normal());
  return rows;
}

// Positive inputs that share what they vary by; wanted is what `rows` make of `part` of them.
PatchMoments moments_of(const std::vector<float>& rows, double part = 1) {
  PatchMoments m;
  m.size = kSize;
  m.outputs = kOutputs;
  m.patches = 400;
  m.mean.resize(kSize);
  m.second.resize(kSize * kSize);
  m.product_mean.resize(kOutputs);
  m.product_second.resize(kOutputs);
  m.cross.resize(kOutputs * kSize);
  RandomStream stream(3, "patches");
  for (int patch = 0; patch < 400; ++patch) {
    const double common = stream.normal();
    std::vector<double> x(kSize);
    for (double& value : x) value = std::max(0.0, 0.5 + common + 0.7 * stream.normal());
    for (std::size_t i = 0; i < kSize; ++i) {
      m.mean[i] += x[i] / m.patches;
      for (std::size_t k = 0; k < kSize; ++k) m.second[i * kSize + k] += x[i] * x[k] / m.patches;
    }
    for (std::size_t o = 0; o < kOutputs; ++o) {
      double t = 0;
      for (std::size_t i = 0; i < kSize; ++i) t += part * rows[o * kSize + i] * x[i];
      m.product_mean[o] += t / m.patches;
      m.product_second[o] += t * t / m.patches;
      for (std::size_t i = 0; i < kSize; ++i) m.cross[o * kSize + i] += t * x[i] / m.patches;
    }
  }
  return m;
}

Scheme scheme_of(int bits, Range::Kind range = Range::Kind::kMinMax) {
  Scheme scheme;
  scheme.kind = SchemeKind::kSymmetric;
  scheme.bits = bits;
  scheme.range.kind = range;
  return scheme;
}

const std::vector<double> kNoOffsets(kOutputs, 0.0);

// The least cost of a row over all values on the grid.
double least_cost(const RowGoals& goals, const Scheme& scheme, const BlockParams& params,
                  std::size_t row) {
  const CodeRange range = code_range(scheme, params);
  std::vector<float> rows(kSize * kOutputs);
  std::vector<std::int64_t> codes(kSize, range.min);
  double least = HUGE_VAL;
  for (;;) {
    decode(codes, scheme, params, std::span(rows).subspan(row * kSize, kSize));
    least = std::min(least, row_costs(goals, rows)[row]);
    std::size_t i = 0;
    while (i < kSize && codes[i] == range.max) codes[i++] = range.min;
    if (i == kSize) return least;
    ++codes[i];
  }
}

TEST(RoundToProducts, IsNearTheBestOfAllRoundings) {
  const std::vector<float> rows = random_rows();
  const PatchMoments moments = moments_of(rows);
  const Scheme scheme = scheme_of(2);
  for (const bool centered : {false, true}) {
    const RowGoals goals{moments, rows, kNoOffsets, centered};
    const BlockParams params = fit(rows, scheme);
    const std::vector<std::size_t> blocks(rows.size(), 0);
    const std::vector<float> found = round_in_blocks(goals, scheme, std::span(&params, 1), blocks);
    const std::vector<double> costs = row_costs(goals, found);
    std::vector<float> nearest(rows.size());
    round_trip(rows, scheme, params, nearest);
    const std::vector<double> nearest_costs = row_costs(goals, nearest);
    double sum = 0;
    double least = 0;
    double plain = 0;
    for (std::size_t row = 0; row < 6; ++row) {
      sum += costs[row];
      least += least_cost(goals, scheme, params, row);
      plain += nearest_costs[row];
    }
    EXPECT_LE(sum, 1.3 * least);
    EXPECT_LT(sum, 0.9 * plain);
  }
}

TEST(RoundToProducts, ErrorsBeforeTheLayerAreMadeUpFor) {
  const std::vector<float> rows = random_rows();
  const PatchMoments moments = moments_of(rows, 1.5);
  const RowGoals goals{moments, rows, kNoOffsets, false};
  const RoundedRows found = round_rows(goals, scheme_of(8));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_NEAR(found.values[i], 1.5F * rows[i], 0.15) << i;
  }
  // With rows of their own for zeros only, nothing is to be made up for.
  const std::vector<double> costs = row_costs(goals, found.values);
  const std::vector<double> before = row_costs(goals, rows);
  for (std::size_t row = 0; row < kOutputs; ++row) EXPECT_LT(costs[row], 0.05 * before[row]);
}

TEST(RoundToProducts, SearchedRangesCostLess) {
  const std::vector<float> rows = random_rows();
  const PatchMoments moments = moments_of(rows);
  const RowGoals goals{moments, rows, kNoOffsets, true};
  const auto total = [&](const RoundedRows& found) {
    double sum = 0;
    for (const double cost : row_costs(goals, found.values)) sum += cost;
    return sum;
  };
  const RoundedRows searched = round_rows(goals, scheme_of(3, Range::Kind::kMse));
  EXPECT_LT(total(searched), total(round_rows(goals, scheme_of(3))));
  // Values are those of the ranges.
  for (std::size_t row = 0; row < kOutputs; ++row) {
    const std::span<const float> values = std::span(searched.values).subspan(row * kSize, kSize);
    std::vector<float> again(kSize);
    round_trip(values, scheme_of(3), searched.params[row], again);
    for (std::size_t i = 0; i < kSize; ++i) EXPECT_NEAR(again[i], values[i], 1e-6);
  }
}

TEST(RoundToProducts, ThreadsDoNotMatter) {
  const std::vector<float> rows = random_rows();
  const PatchMoments moments = moments_of(rows);
  const RowGoals goals{moments, rows, kNoOffsets, true};
  const auto run = [&](int threads) {
    const ThreadLimit limit(threads);
    return round_rows(goals, scheme_of(4, Range::Kind::kMse)).values;
  };
  EXPECT_EQ(run(1), run(3));
}

TEST(RoundToProducts, WhatCannotBeRoundedIsSaid) {
  const std::vector<float> rows = random_rows();
  PatchMoments moments = moments_of(rows);
  Scheme codebook;
  codebook.kind = SchemeKind::kCodebook;
  codebook.bits = 4;
  EXPECT_THROW(round_rows({moments, rows, kNoOffsets, true}, codebook), Error);
  moments.second[3] = std::nan("");
  EXPECT_THROW(round_rows({moments, rows, kNoOffsets, true}, scheme_of(4)), Error);
}

TEST(WeightedRanges, AreTheBestOfTheCandidates) {
  const std::vector<float> rows = random_rows();
  const std::vector<double> weights = {9, 0, 1, 0.1, 0.1, 0.1};
  const Scheme scheme = scheme_of(3, Range::Kind::kMse);
  const auto cost = [&](std::size_t row, const BlockParams& params) {
    const std::span<const float> values = std::span(rows).subspan(row * kSize, kSize);
    std::vector<float> restored(kSize);
    round_trip(values, scheme, params, restored);
    double sum = 0;
    for (std::size_t i = 0; i < kSize; ++i) {
      sum += weights[i] * std::pow(static_cast<double>(restored[i]) - values[i], 2);
    }
    return sum;
  };
  const std::vector<BlockParams> found = weighted_ranges(rows, weights, scheme);
  ASSERT_EQ(found.size(), kOutputs);
  std::size_t better_than_whole = 0;
  for (std::size_t row = 0; row < kOutputs; ++row) {
    const auto candidates = range_candidates(std::span(rows).subspan(row * kSize, kSize), scheme);
    ASSERT_EQ(candidates.size(), 13U);
    for (const BlockParams& other : candidates) EXPECT_LE(cost(row, found[row]), cost(row, other));
    if (cost(row, found[row]) < cost(row, candidates[0])) ++better_than_whole;
  }
  EXPECT_GT(better_than_whole, kOutputs / 4);
  EXPECT_EQ(range_candidates(std::span(rows).first(kSize), scheme_of(3)).size(), 1U);
}

// As those of a channel that a Clip holds at its limit: what is left about the mean is rounding.
TEST(RoundToProducts, ConstantInputsAreRoundedToo) {
  const std::vector<float> rows = random_rows();
  PatchMoments m = moments_of(rows);
  RandomStream stream(5, "rounding");
  for (std::size_t i = 0; i < kSize; ++i) m.mean[i] = 30;
  for (std::size_t i = 0; i < kSize; ++i) {
    for (std::size_t k = 0; k <= i; ++k) {
      m.second[i * kSize + k] = m.second[k * kSize + i] = 900 * (1 - 2e-7 * stream.uniform());
    }
  }
  for (std::size_t o = 0; o < kOutputs; ++o) {
    m.product_mean[o] = 0;
    for (std::size_t i = 0; i < kSize; ++i) m.product_mean[o] += 30 * rows[o * kSize + i];
    for (std::size_t i = 0; i < kSize; ++i) m.cross[o * kSize + i] = 30 * m.product_mean[o];
  }
  const Scheme scheme = scheme_of(4);
  const RoundedRows rounded = round_rows({m, rows, kNoOffsets, true}, scheme);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double step = rounded.params[i / kSize].scale;
    EXPECT_NEAR(rounded.values[i], rows[i], 2 * step);
  }
}

// Where half of the patches say something else than the other half, little of it is believed.
TEST(ChooseShrinkage, TrustsMomentsThatOthersConfirm) {
  const std::vector<float> rows = random_rows();
  const RowGoals goals{{}, rows, kNoOffsets, true};
  const PatchMoments seen = moments_of(rows);
  // What is wanted is not what the rows make: they are not to be pulled to.
  const PatchMoments half = moments_of(rows, 0.5);
  EXPECT_EQ(choose_shrinkage(goals, half, half, scheme_of(3)), 0);
  PatchMoments other = seen;
  for (std::size_t i = 0; i < kSize; ++i) {
    for (std::size_t k = 0; k < kSize; ++k) {
      const double about_mean = seen.second[i * kSize + k] - seen.mean[i] * seen.mean[k];
      if (i != k) other.second[i * kSize + k] -= about_mean;
    }
  }
  for (std::size_t o = 0; o < kOutputs; ++o) {
    for (std::size_t i = 0; i < kSize; ++i) {
      double cross = seen.mean[i] * seen.product_mean[o];
      const double variance = seen.second[i * kSize + i] - seen.mean[i] * seen.mean[i];
      cross += variance * rows[o * kSize + i];
      other.cross[o * kSize + i] = cross;
    }
  }
  EXPECT_GE(choose_shrinkage(goals, seen, other, scheme_of(3)), 1);
}

}  // namespace
}  // namespace narrow
