#include "narrow/quantize_values.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "narrow/error.h"
#include "quant/blocks/block_fit.h"
#include "quant/blocks/block_layout.h"
#include "quant/blocks/count_overflow.h"
#include "quant/blocks/local_block.h"
#include "quant/error_sums.h"
#include "quant/fit_values.h"

namespace narrow {
namespace {

void require_equal(std::size_t a, std::size_t b, const char* what) {
  if (a == b) return;
  throw Error(ErrorCategory::kUsage, std::string(what) + " differ in length: " + std::to_string(a) +
                                         " and " + std::to_string(b));
}

std::size_t rule_index(const Scheme& scheme) { return static_cast<std::size_t>(rule_of(scheme)); }

// Sums of chunks, added in order within pieces, and pieces in order: body(begin, length, lanes)
// adds the errors of one chunk.
template <typename Body>
ErrorSums sum_chunks(std::size_t count, const Body& body) {
  ErrorSums total;
  for (std::size_t piece = 0; piece < count; piece += kPieceElements) {
    const std::size_t end = std::min<std::size_t>(count, piece + kPieceElements);
    ErrorSums sums;
    for (std::size_t begin = piece; begin < end; begin += kChunk) {
      const std::size_t length = std::min(kChunk, end - begin);
      LaneSums lanes;
      body(begin, length, &lanes);
      sums.merge(combine_lanes(lanes, length));
    }
    total.merge(sums);
  }
  return total;
}

}  // namespace

BlockParams fit(std::span<const float> values, const Scheme& scheme) {
  return fit_values(values, scheme).params;
}

void encode(std::span<const float> values, const Scheme& scheme, const BlockParams& params,
            std::span<std::int64_t> codes) {
  validate(scheme);
  require_equal(values.size(), codes.size(), "values and codes");
  const auto encode_kernel = kernels().block[rule_index(scheme)].encode;
  LocalBlock block;
  const BlockConstants& constants = block.of(scheme, params);
  std::array<std::uint32_t, kChunk> chunk;
  for (std::size_t begin = 0; begin < codes.size(); begin += kChunk) {
    const std::size_t length = std::min(kChunk, codes.size() - begin);
    encode_kernel(constants, values.data() + begin, length, chunk.data());
    for (std::size_t i = 0; i < length; ++i) {
      codes[begin + i] = constants.min < 0 ? std::int64_t{static_cast<std::int32_t>(chunk[i])}
                                           : std::int64_t{chunk[i]};
    }
  }
}

void decode(std::span<const std::int64_t> codes, const Scheme& scheme, const BlockParams& params,
            std::span<float> restored) {
  validate(scheme);
  require_equal(codes.size(), restored.size(), "codes and restored values");
  const auto decode_kernel = kernels().block[rule_index(scheme)].decode_float;
  LocalBlock block;
  const BlockConstants& constants = block.of(scheme, params);
  const CodeRange range = code_range(scheme, params);
  const std::int64_t mask = (std::int64_t{1} << scheme.bits) - 1;
  std::array<std::uint32_t, kChunk> chunk;
  for (std::size_t begin = 0; begin < codes.size(); begin += kChunk) {
    const std::size_t length = std::min(kChunk, codes.size() - begin);
    for (std::size_t i = 0; i < length; ++i) {
      chunk[i] =
          static_cast<std::uint32_t>(std::clamp(codes[begin + i], range.min, range.max) & mask);
    }
    decode_kernel(constants, chunk.data(), length, restored.data() + begin);
  }
}

ErrorSums round_trip(std::span<const float> values, const Scheme& scheme, const BlockParams& params,
                     std::span<float> restored) {
  validate(scheme);
  require_equal(values.size(), restored.size(), "values and restored values");
  const auto round_trip_kernel = kernels().block[rule_index(scheme)].round_trip;
  LocalBlock block;
  const BlockConstants& constants = block.of(scheme, params);
  std::uint64_t overflowed = 0;
  ErrorSums sums =
      sum_chunks(values.size(), [&](std::size_t begin, std::size_t length, LaneSums* lanes) {
        float* const chunk = restored.data() + begin;
        overflowed += count_overflow(constants, values.data() + begin, length);
        if (chunk != values.data() + begin) std::copy_n(values.data() + begin, length, chunk);
        round_trip_kernel(constants, chunk, length, lanes, nullptr);
      });
  sums.overflowed = overflowed;
  return sums;
}

ErrorSums measure_error(std::span<const double> original, std::span<const double> restored) {
  require_equal(original.size(), restored.size(), "original and restored values");
  const KernelTable& table = kernels();
  return sum_chunks(original.size(), [&](std::size_t begin, std::size_t length, LaneSums* lanes) {
    table.add_errors(original.data() + begin, restored.data() + begin, length, lanes);
  });
}

ErrorSums measure_error(std::span<const float> original, std::span<const float> restored) {
  require_equal(original.size(), restored.size(), "original and restored values");
  const KernelTable& table = kernels();
  return sum_chunks(original.size(), [&](std::size_t begin, std::size_t length, LaneSums* lanes) {
    table.add_float_errors(original.data() + begin, restored.data() + begin, length, lanes);
  });
}

}  // namespace narrow
