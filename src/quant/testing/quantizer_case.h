// Quantizes whole tensors with TensorQuantizer, piece by piece on several threads, with every
// instruction set, and compares bit for bit with the reference quantizer.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "base/random.h"
#include "quant/elements/element_chunk.h"
#include "quant/fitting/value_fit.h"
#include "quant/kernels/simd_targets.h"
#include "quant/reference_quantizer.h"
#include "quant/tensor_quantizer.h"
#include "quant/testing/test_values.h"

namespace narrow {

struct QuantizerCase {
  Scheme scheme;
  TensorInfo info;
  int default_axis = -1;
};

inline std::string case_text(const QuantizerCase& c) {
  return scheme_text(c.scheme)
      .append(", ")
      .append(to_string(c.info.dtype))
      .append(to_string(c.info.shape))
      .append(", ")
      .append(chosen_simd_target());
}

// The block of every element, counted from the multi-index.
inline std::vector<std::uint64_t> blocks_of(const QuantizerCase& c, std::uint64_t elements) {
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

struct QuantizerOutcome {
  std::vector<std::byte> bytes;
  ErrorSums sums;
  CodeCounts counts;
  std::vector<BlockParams> params;
};

inline QuantizerOutcome expected_of(const QuantizerCase& c, const std::vector<std::byte>& bytes,
                                    std::uint64_t piece) {
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
  QuantizerOutcome expected;
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
inline QuantizerOutcome run_quantizer(const QuantizerCase& c, const std::vector<std::byte>& bytes,
                                      std::size_t misalignment) {
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
  std::vector<QuantizerOutcome> outcomes(pieces);
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
  QuantizerOutcome outcome;
  for (const QuantizerOutcome& one : outcomes) {
    outcome.sums.merge(one.sums);
    outcome.counts.merge(one.counts);
  }
  outcome.bytes.assign(tensor.begin(), tensor.end());
  outcome.params = quantizer.block_params(1U << 20);
  return outcome;
}

inline void check(const QuantizerCase& c, const std::vector<std::byte>& bytes,
                  const std::vector<std::string>& targets = runnable_simd_targets()) {
  const TensorQuantizer quantizer(c.scheme, c.info, c.default_axis);
  QuantizerOutcome expected = expected_of(c, bytes, quantizer.piece_elements());
  ASSERT_EQ(quantizer.block_count(), expected.params.size());
  for (const std::string& name : targets) {
    const ForcedSimdTarget forced(name);
    for (const std::size_t misalignment : {0U, 1U}) {
      SCOPED_TRACE(case_text(c));
      const QuantizerOutcome outcome = run_quantizer(c, bytes, misalignment);
      ASSERT_EQ(outcome.bytes, expected.bytes);
      ASSERT_TRUE(same_bits(outcome.sums, expected.sums));
      ASSERT_EQ(outcome.counts.counts, expected.counts.counts);
      expected.params.resize(outcome.params.size());
      ASSERT_EQ(outcome.params, expected.params);
    }
  }
}

// For tensors of many pieces: how they are cut does not depend on the instruction set.
inline void check_chosen_target(const QuantizerCase& c, const std::vector<std::byte>& bytes) {
  check(c, bytes, {chosen_simd_target()});
}

inline std::vector<std::byte> random_bytes(const TensorInfo& info, ValueKind kind,
                                           RandomStream* random) {
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

}  // namespace narrow
