#include "quant/tensor_quantizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "base/random.h"
#include "narrow/error.h"
#include "quant/testing/quantizer_case.h"
#include "quant/testing/test_values.h"

namespace narrow {
namespace {

TEST(TensorQuantizer, EveryGranularityAndType) {
  RandomStream random(1, "granularity");
  const std::vector<std::pair<Granularity, Shape>> layouts = {{{}, {}},
                                                              {{}, {0, 3}},
                                                              {{}, {77, 31}},
                                                              {by_channel(0), {5}},
                                                              {by_channel(0), {}},
                                                              {by_channel(0), {7, 3, 11}},
                                                              {by_channel(0), {4, 8, 16}},
                                                              {by_channel(1), {3, 7, 70}},
                                                              {by_channel(1), {3, 4, 64}},
                                                              {by_channel(1), {9, 7, 5}},
                                                              {by_channel(-1), {3, 3, 16, 32}},
                                                              {by_channel(-1), {50, 101}},
                                                              {by_channel(-1), {7, 331}},
                                                              {by_channel(-1), {7, 4801}},
                                                              {by_channel(1), {30, 1, 11}},
                                                              {by_channel(1), {0, 4}},
                                                              {by_group(1), {100}},
                                                              {by_group(7), {30, 30}},
                                                              {by_group(16), {1000}},
                                                              {by_group(64), {5000}},
                                                              {by_group(100), {3, 1001}},
                                                              {by_group(4096), {9999}}};
  for (const auto& [granularity, shape] : layouts) {
    for (const DType dtype : kFloatTypes) {
      for (Scheme scheme : all_schemes()) {
        scheme.granularity = granularity;
        const QuantizerCase c{scheme, {"t", dtype, shape}, -1};
        check(c, random_bytes(c.info, ValueKind::kNormal, &random));
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(TensorQuantizer, EveryGranularityByAllValues) {
  RandomStream random(5, "by values");
  const std::vector<std::pair<Granularity, Shape>> layouts = {{{}, {}},
                                                              {{}, {0, 3}},
                                                              {{}, {77, 31}},
                                                              {by_channel(0), {7, 3, 11}},
                                                              {by_channel(1), {3, 4, 70}},
                                                              {by_channel(1), {9, 7, 5}},
                                                              {by_channel(-1), {3, 3, 4, 32}},
                                                              {by_channel(-1), {7, 331}},
                                                              {by_channel(1), {0, 4}},
                                                              {by_group(7), {30, 10}},
                                                              {by_group(64), {1000}}};
  for (Scheme scheme : value_schemes()) {
    for (const auto& [granularity, shape] : layouts) {
      scheme.bits = 2 + static_cast<int>(random.below(7));
      scheme.granularity = granularity;
      const QuantizerCase c{
          scheme, {"t", kFloatTypes.at(random.below(kFloatTypes.size())), shape}, -1};
      check(c, random_bytes(c.info, ValueKind::kNormal, &random));
      if (HasFatalFailure()) return;
    }
  }
}

TEST(TensorQuantizer, FixedPointFormatsOfEveryGranularity) {
  RandomStream random(8, "formats");
  const std::vector<std::pair<Granularity, Shape>> layouts = {{{}, {77, 31}},
                                                              {by_channel(0), {7, 3, 11}},
                                                              {by_channel(1), {3, 7, 70}},
                                                              {by_channel(1), {9, 7, 5}},
                                                              {by_channel(-1), {50, 101}},
                                                              {by_group(7), {30, 30}},
                                                              {by_group(64), {1000}},
                                                              {by_channel(1), {0, 4}},
                                                              {by_channel(-1), {3, 3, 16, 32}}};
  std::size_t turn = 0;
  for (Scheme scheme : format_schemes()) {
    for (const auto& [granularity, shape] : layouts) {
      scheme.bits = 2 + static_cast<int>(random.below(31));
      scheme.granularity = granularity;
      const QuantizerCase c{scheme, {"t", kFloatTypes.at(turn % kFloatTypes.size()), shape}, -1};
      const ValueKind kind = kValueKinds.at(++turn % kValueKinds.size());
      if (c.info.dtype == DType::kFloat16 && kind == ValueKind::kAnyBits) continue;
      check(c, random_bytes(c.info, kind, &random));
      if (HasFatalFailure()) return;
    }
  }
}

TEST(TensorQuantizer, OneScanServesEveryFitOfAllValues) {
  RandomStream random(7, "shared scan");
  const TensorInfo info{"t", DType::kFloat32, {40, 50}};
  const std::vector<std::byte> bytes = random_bytes(info, ValueKind::kNormal, &random);
  const auto schemes = value_schemes();
  EXPECT_FALSE(TensorQuantizer::share_scan(Scheme(), schemes.front()));
  TensorQuantizer scanned(schemes.front(), info, -1);
  scanned.scan(bytes);
  scanned.finish_scan();
  for (Scheme scheme : schemes) {
    scheme.bits = 5;
    ASSERT_TRUE(TensorQuantizer::share_scan(schemes.front(), scheme));
    TensorQuantizer alone(scheme, info, -1);
    alone.scan(bytes);
    alone.finish_scan();
    const TensorQuantizer shared = scanned.with_scheme(scheme);
    EXPECT_EQ(shared.block_params(1), alone.block_params(1));
    EXPECT_EQ(shared.clipped_values(), alone.clipped_values());
    EXPECT_TRUE(same_bits(shared.measure(0, bytes), alone.measure(0, bytes)));
  }
  scanned.release_values();
  EXPECT_EQ(scanned.measure(0, bytes).count, 2000U);
  EXPECT_THROW((void)scanned.with_scheme(schemes.back()), Error);
}

TEST(TensorQuantizer, EveryWidthAndKindOfValue) {
  RandomStream random(2, "widths");
  for (Scheme scheme : all_schemes()) {
    for (int bits = 2; bits <= 32; ++bits) {
      scheme.bits = bits;
      for (const DType dtype : kFloatTypes) {
        for (const ValueKind kind : kValueKinds) {
          if (dtype == DType::kFloat16 && kind == ValueKind::kAnyBits) continue;
          scheme.granularity = bits % 2 == 0 ? by_group(bits % 4 == 0 ? 16 : 40) : by_channel(-1);
          const QuantizerCase c{scheme, {"t", dtype, {13, 16}}, -1};
          check(c, random_bytes(c.info, kind, &random));
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

// Groups whose quotients are ties, or the floats beside them, and one of zeros.
TEST(TensorQuantizer, GroupsOfTies) {
  for (const SchemeKind kind : {SchemeKind::kSymmetric, SchemeKind::kAffine}) {
    for (const int bits : {2, 4, 8, 16}) {
      Scheme scheme{kind, bits, Scaling::kBinary, {}};
      scheme.granularity = by_group(32);
      const float largest = std::ldexp(1.0F, bits - 1) - 1;
      std::vector<float> values(64);  // the first group holds zeros
      for (const float scale : {1.0F, 0.1F, 3e-39F, 1e38F / largest}) {
        values.push_back(largest * scale);
        values.push_back(-largest * scale);
        for (int i = 0; i < 30; ++i) {
          const int code = i % std::min(10, static_cast<int>(largest));
          const float tie = (static_cast<float>(code) + 0.5F) * scale;
          const float beside = std::nextafter(tie, i < 10 ? 0.0F : FLT_MAX);
          values.push_back((i % 2 == 0 ? 1.0F : -1.0F) * (i < 20 ? beside : tie));
        }
      }
      const QuantizerCase c{
          scheme, {"t", DType::kFloat32, {static_cast<std::int64_t>(values.size())}}, -1};
      const auto bytes = std::as_bytes(std::span(values));
      check(c, {bytes.begin(), bytes.end()});
      if (HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace narrow
