#include "quant/tensor_quantizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <optional>

#include "base/parallel.h"
#include "base/random.h"
#include "narrow/error.h"
#include "quant/elements/element_chunk.h"
#include "quant/fitting/value_fit.h"
#include "quant/kernels/simd_targets.h"
#include "quant/reference_quantizer.h"
#include "quant/testing/test_values.h"

namespace narrow {
namespace {

struct Case {
  Scheme scheme;
  TensorInfo info;
  int default_axis = -1;
};

std::string case_text(const Case& c) {
  return scheme_text(c.scheme)
      .append(", ")
      .append(to_string(c.info.dtype))
      .append(to_string(c.info.shape))
      .append(", ")
      .append(chosen_simd_target());
}

// The block of every element, counted from the multi-index.
std::vector<std::uint64_t> blocks_of(const Case& c, std::uint64_t elements) {
  std::vector<std::uint64_t> blocks(elements);
  const Shape& shape = c.info.shape;
  const Granularity& granularity = c.scheme.granularity;
  const int rank = static_cast<int>(shape.size());
  int axis = granularity.axis.value_or(c.default_axis);
  if (axis < 0) axis += rank;
  for (std::uint64_t i = 0; i < elements; ++i) {
    if (granularity.kind == Granularity::Kind::kGroup) {
      blocks[i] = i / static_cast<std::uint64_t>(granularity.group_size);
    } else if (granularity.kind == Granularity::Kind::kChannel && rank >= 2) {
      std::uint64_t rest = i;
      for (int d = rank - 1; d >= axis; --d) {
        const auto dim = static_cast<std::uint64_t>(shape[static_cast<std::size_t>(d)]);
        if (d == axis) blocks[i] = rest % dim;
        rest /= dim;
      }
    }
  }
  return blocks;
}

struct Outcome {
  std::vector<std::byte> bytes;
  ErrorSums sums;
  CodeCounts counts;
  std::vector<BlockParams> params;
};

Outcome expected_of(const Case& c, const std::vector<std::byte>& bytes, std::uint64_t piece) {
  const std::size_t count = bytes.size() / element_size(c.info.dtype);
  std::vector<float> values(count);
  std::vector<double> exact(count);
  load_as_float(c.info.dtype, bytes.data(), count, values.data());
  load_as_double(c.info.dtype, bytes.data(), count, exact.data());
  const std::vector<std::uint64_t> blocks = blocks_of(c, count);
  const std::uint64_t block_count =
      count == 0 ? 0 : *std::max_element(blocks.begin(), blocks.end()) + 1;
  std::vector<std::optional<std::pair<float, float>>> ranges(block_count);
  for (std::size_t i = 0; i < count; ++i) {
    auto& range = ranges[blocks[i]];
    const float x = values[i];
    if (!range) range = {x, x};
    if (x < range->first || (x == range->first && std::signbit(x))) range->first = x;
    if (x > range->second || (x == range->second && !std::signbit(x))) range->second = x;
  }
  std::vector<std::vector<float>> members(block_count);
  for (std::size_t i = 0; i < count; ++i) members[blocks[i]].push_back(values[i]);
  Outcome expected;
  for (std::uint64_t block = 0; block < block_count; ++block) {
    expected.params.push_back(
        fit_needs_values(c.scheme)
            ? fit(members[block], c.scheme)
            : fit_range(ranges[block]->first, ranges[block]->second, c.scheme));
  }
  std::vector<double> restored(count);
  if (c.scheme.bits <= CodeCounts::kMaxBits && count > 0) {
    expected.counts.counts.resize(std::size_t{1} << c.scheme.bits);
  }
  for (std::size_t i = 0; i < count; ++i) {
    const BlockParams& params = expected.params[blocks[i]];
    const std::int64_t code = reference_code(values[i], c.scheme, params);
    restored[i] = reference_value(code, c.scheme, params);
    if (has_format(c.scheme) && reference_overflows(values[i], c.scheme, params)) {
      ++expected.sums.overflowed;
    }
    if (c.scheme.bits > CodeCounts::kMaxBits) continue;
    ++expected.counts.counts[static_cast<std::size_t>(code - code_range(c.scheme, params).min)];
  }
  expected.bytes.resize(bytes.size());
  store_rounded(c.info.dtype, restored.data(), count, expected.bytes.data());
  for (std::size_t begin = 0; begin < count; begin += piece) {
    const std::size_t length = std::min<std::size_t>(piece, count - begin);
    expected.sums.merge(reference_sums(std::span(exact).subspan(begin, length),
                                       std::span<const double>(restored).subspan(begin, length)));
  }
  return expected;
}

// Scans in odd parts, then measures and quantizes the pieces in parallel, at an odd address if
// asked; then the scan is another scheme's, where one serves both.
Outcome run(const Case& c, const std::vector<std::byte>& bytes, std::size_t misalignment) {
  const std::size_t size = element_size(c.info.dtype);
  const std::size_t count = bytes.size() / size;
  std::vector<std::byte> memory(bytes.size() + misalignment);
  std::copy(bytes.begin(), bytes.end(), memory.begin() + static_cast<std::ptrdiff_t>(misalignment));
  const std::span<std::byte> tensor = std::span(memory).subspan(misalignment);
  Scheme scanned;
  scanned.granularity = c.scheme.granularity;
  const bool shared = misalignment > 0 && TensorQuantizer::share_scan(scanned, c.scheme);
  TensorQuantizer quantizer(shared ? scanned : c.scheme, c.info, c.default_axis);
  std::size_t part = 1;
  for (std::size_t begin = 0; begin < count; part = part * 3 + 1) {
    const std::size_t length = std::min(part, count - begin);
    quantizer.scan(tensor.subspan(begin * size, length * size));
    begin += length;
  }
  quantizer.finish_scan();
  EXPECT_EQ(quantizer.non_finite().count, 0U);
  if (shared) quantizer = quantizer.with_scheme(c.scheme);
  const std::uint64_t piece = quantizer.piece_elements();
  const std::size_t pieces = (count + piece - 1) / piece;
  std::vector<Outcome> outcomes(pieces);
  parallel_for(pieces, [&](std::size_t i) {
    const std::size_t first = i * piece;
    const std::size_t length = std::min<std::size_t>(piece, count - first);
    const auto values = tensor.subspan(first * size, length * size);
    const ErrorSums measured = quantizer.measure(first, values);
    std::vector<std::byte> packed;
    std::vector<BlockParams> params;
    EXPECT_EQ(quantizer.encode(first, values, &packed, &params), measured.overflowed);
    std::vector<std::byte> uncounted(values.begin(), values.end());
    EXPECT_TRUE(same_bits(quantizer.round_trip(first, uncounted, nullptr), measured));
    outcomes[i].sums = quantizer.round_trip(first, values, &outcomes[i].counts);
    EXPECT_TRUE(same_bits(measured, outcomes[i].sums));
    EXPECT_TRUE(std::ranges::equal(uncounted, values));
  });
  Outcome outcome;
  for (const Outcome& one : outcomes) {
    outcome.sums.merge(one.sums);
    outcome.counts.merge(one.counts);
  }
  outcome.bytes.assign(tensor.begin(), tensor.end());
  outcome.params = quantizer.block_params(1U << 20);
  return outcome;
}

void check(const Case& c, const std::vector<std::byte>& bytes,
           const std::vector<std::string>& targets = runnable_simd_targets()) {
  const TensorQuantizer quantizer(c.scheme, c.info, c.default_axis);
  Outcome expected = expected_of(c, bytes, quantizer.piece_elements());
  ASSERT_EQ(quantizer.block_count(), expected.params.size());
  for (const std::string& name : targets) {
    const ForcedSimdTarget forced(name);
    for (const std::size_t misalignment : {0U, 1U}) {
      SCOPED_TRACE(case_text(c));
      const Outcome outcome = run(c, bytes, misalignment);
      ASSERT_EQ(outcome.bytes, expected.bytes);
      ASSERT_TRUE(same_bits(outcome.sums, expected.sums));
      ASSERT_EQ(outcome.counts.counts, expected.counts.counts);
      expected.params.resize(outcome.params.size());
      ASSERT_EQ(outcome.params, expected.params);
    }
  }
}

// For tensors of many pieces: how they are cut does not depend on the instruction set.
void check_chosen_target(const Case& c, const std::vector<std::byte>& bytes) {
  check(c, bytes, {chosen_simd_target()});
}

std::vector<std::byte> random_bytes(const TensorInfo& info, ValueKind kind, RandomStream* random) {
  const std::uint64_t count = element_count(info.shape);
  std::vector<double> values(count);
  for (double& value : values) {
    value = random_value(kind, random);
    // Values that float32 cannot hold exactly.
    if (info.dtype == DType::kFloat64) value *= 1 + 0.4 * random->uniform() * 0x1p-23;
    if (info.dtype == DType::kFloat64) value = std::clamp(value, -3e38, 3e38);
  }
  std::vector<std::byte> bytes(info.byte_size());
  store_rounded(info.dtype, values.data(), count, bytes.data());
  return bytes;
}

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
        const Case c{scheme, {"t", dtype, shape}, -1};
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
      const Case c{scheme, {"t", kFloatTypes.at(random.below(kFloatTypes.size())), shape}, -1};
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
      const Case c{scheme, {"t", kFloatTypes.at(turn % kFloatTypes.size()), shape}, -1};
      const ValueKind kind = kValueKinds.at(++turn % kValueKinds.size());
      if (c.info.dtype == DType::kFloat16 && kind == ValueKind::kAnyBits) continue;
      check(c, random_bytes(c.info, kind, &random));
      if (HasFatalFailure()) return;
    }
  }
}

TEST(TensorQuantizer, FixedPointFormatsInManyPieces) {
  RandomStream random(10, "formats in pieces");
  Scheme scheme;
  scheme.kind = SchemeKind::kFixedPoint;
  scheme.format = {9, true, RoundMode::kHalfUp, Overflow::kWrap};
  for (const auto& [granularity, shape] :
       std::vector<std::pair<Granularity, Shape>>{{{}, {1000, 600}},
                                                  {by_group(5000), {600000}},
                                                  {by_channel(-1), {3000, 200}},
                                                  {by_channel(1), {2, 131'075, 3}}}) {
    for (const Overflow overflow : {Overflow::kWrap, Overflow::kSaturate}) {
      scheme.granularity = granularity;
      scheme.format.overflow = overflow;
      scheme.format.round_mode =
          overflow == Overflow::kWrap ? RoundMode::kHalfUp : RoundMode::kHalfEven;
      const Case c{scheme, {"t", DType::kFloat32, shape}, -1};
      check_chosen_target(c, random_bytes(c.info, ValueKind::kNormal, &random));
      if (HasFatalFailure()) return;
    }
  }
}

TEST(TensorQuantizer, ManyPiecesByAllValues) {
  RandomStream random(6, "pieces by values");
  for (const auto& [granularity, shape] : std::vector<std::pair<Granularity, Shape>>{
           {{}, {700, 500}}, {by_channel(-1), {3000, 100}}, {by_channel(0), {2, 150001}}}) {
    for (Scheme scheme : {value_schemes().front(), value_schemes().back()}) {
      scheme.bits = 3;
      scheme.granularity = granularity;
      const Case c{scheme, {"t", DType::kFloat32, shape}, -1};
      check_chosen_target(c, random_bytes(c.info, ValueKind::kNormal, &random));
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
          const Case c{scheme, {"t", dtype, {13, 16}}, -1};
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
      const Case c{scheme, {"t", DType::kFloat32, {static_cast<std::int64_t>(values.size())}}, -1};
      const auto bytes = std::as_bytes(std::span(values));
      check(c, {bytes.begin(), bytes.end()});
      if (HasFatalFailure()) return;
    }
  }
}

TEST(TensorQuantizer, ManyPieces) {
  RandomStream random(3, "pieces");
  const std::vector<std::pair<Granularity, Shape>> layouts = {{{}, {1000, 600}},
                                                              {by_group(300000), {700001}},
                                                              {by_group(5000), {600000}},
                                                              {by_group(3), {600000}},
                                                              {by_channel(-1), {3000, 200}},
                                                              {by_channel(0), {2, 300001}},
                                                              {by_channel(1), {2, 3, 100000}}};
  for (const auto& [granularity, shape] : layouts) {
    Scheme scheme;
    scheme.granularity = granularity;
    const Case c{scheme, {"t", DType::kFloat32, shape}, -1};
    check_chosen_target(c, random_bytes(c.info, ValueKind::kNormal, &random));
    if (HasFatalFailure()) return;
  }
}

TEST(TensorQuantizer, MoreBlocksThanConstantsAreKeptFor) {
  RandomStream random(9, "many blocks");
  std::vector<Scheme> schemes = all_schemes();
  schemes.push_back(value_schemes().back());
  for (Scheme scheme : schemes) {
    scheme.bits = 3;
    scheme.granularity = by_channel(1);
    const DType dtype = kFloatTypes.at(random.below(kFloatTypes.size()));
    const Case c{scheme, {"t", dtype, {2, 131'075, 3}}, -1};
    check_chosen_target(c, random_bytes(c.info, ValueKind::kNormal, &random));
    if (HasFatalFailure()) return;
  }
}

TEST(TensorQuantizer, WholeTensorEqualsTheFunctionsOfOneBlock) {
  RandomStream random(4, "one block");
  std::vector<float> values = random_values(ValueKind::kNormal, 600001, &random);
  const Scheme scheme;
  const TensorInfo info{"t", DType::kFloat32, {600001}};
  TensorQuantizer quantizer(scheme, info, 0);
  const std::span<std::byte> bytes = std::as_writable_bytes(std::span(values));
  std::vector<float> restored(values.size());
  const ErrorSums expected = round_trip(values, scheme, fit(values, scheme), restored);
  quantizer.scan(bytes);
  quantizer.finish_scan();
  ErrorSums sums;
  for (std::uint64_t first = 0; first < values.size(); first += quantizer.piece_elements()) {
    const std::size_t length = std::min(quantizer.piece_elements(), values.size() - first);
    sums.merge(quantizer.round_trip(first, bytes.subspan(first * 4, length * 4), nullptr));
  }
  EXPECT_TRUE(same_bits(values, restored));
  EXPECT_TRUE(same_bits(sums, expected));
}

}  // namespace
}  // namespace narrow
