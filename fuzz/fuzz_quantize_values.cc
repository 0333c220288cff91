// Any scheme on any floats: every instruction set gives the reference's bits, and restoring from
// stored codes gives what the pass without codes gives.
//
// Input: scheme kind, scaling and range, bits, granularity and format, group size or fraction bits,
// then float32 values.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "narrow/error.h"
#include "narrow/quantize_values.h"
#include "quant/kernels/simd_targets.h"
#include "quant/reference_quantizer.h"
#include "quant/tensor_quantizer.h"
#include "quant/testing/test_values.h"

namespace narrow {
namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

struct Input {
  Scheme scheme;
  std::vector<float> values;
};

// 0: none; then round modes and overflow, half of them with given fraction bits.
FixedFormat read_format(int number, int fraction_bits) {
  FixedFormat format;
  format.round_mode = static_cast<RoundMode>(number % 7);
  format.overflow = static_cast<Overflow>(number / 7 % 4);
  format.always_signed = number % 2 != 0;
  if (number >= 28) format.fraction_bits = fraction_bits;
  return format;
}

Input read_input(std::span<const std::uint8_t> bytes) {
  Input input;
  // Bits 0 to 2: kind and scaling; 3 to 5: range, or a codebook; 6 and 7: percentile.
  const int range = bytes[0] / 8 % 8;
  input.scheme.kind = range == 4 ? SchemeKind::kCodebook : static_cast<SchemeKind>(bytes[0] % 4);
  input.scheme.scaling = bytes[0] % 8 < 4 ? Scaling::kBinary : Scaling::kDecimal;
  if (range < 4) input.scheme.range.kind = static_cast<Range::Kind>(range);
  if (input.scheme.range.kind == Range::Kind::kPercentile) {
    input.scheme.range.percentile = 50.5 + bytes[0] / 64 * 16.5;
  }
  input.scheme.bits = bytes[1] % 34;
  input.scheme.granularity.kind = static_cast<Granularity::Kind>(bytes[2] % 3);
  input.scheme.granularity.group_size = bytes[3];
  if (input.scheme.kind == SchemeKind::kFixedPoint) {
    input.scheme.format = read_format(bytes[2] / 3, bytes[3] - 100);
  }
  for (std::size_t i = 4; i + sizeof(float) <= bytes.size(); i += sizeof(float)) {
    input.values.push_back(load_le<float>(&bytes[i]));
  }
  return input;
}

// One block, through the public functions.
void check_block(const Input& input) {
  const BlockParams params = fit(input.values, input.scheme);
  const std::size_t count = input.values.size();
  std::vector<std::int64_t> codes(count);
  std::vector<float> decoded(count);
  std::vector<float> restored(count);
  encode(input.values, input.scheme, params, codes);
  decode(codes, input.scheme, params, decoded);
  const ErrorSums sums = round_trip(input.values, input.scheme, params, restored);
  require(same_bits(decoded, restored));
  ErrorSums measured = measure_error(input.values, restored);
  measured.overflowed =
      static_cast<std::uint64_t>(std::ranges::count_if(input.values, [&](float value) {
        return has_format(input.scheme) && reference_overflows(value, input.scheme, params);
      }));
  require(same_bits(sums, measured));
  for (std::size_t i = 0; i < count; ++i) {
    const std::int64_t code = reference_code(input.values[i], input.scheme, params);
    require(codes[i] == code);
    const float value = reference_float(reference_value(code, input.scheme, params));
    require(same_bits(std::span(&restored[i], 1), std::span(&value, 1)));
    require(std::isfinite(restored[i]));
  }
}

// The same values as a tensor in blocks.
struct TensorResult {
  std::vector<float> values;
  ErrorSums sums;
  CodeCounts counts;
};

TensorResult quantize_tensor(const Input& input) {
  TensorResult result{input.values, {}, {}};
  const auto rows = static_cast<std::int64_t>(input.values.size() / 3);
  result.values.resize(static_cast<std::size_t>(rows) * 3);
  const std::span<std::byte> bytes = std::as_writable_bytes(std::span(result.values));
  TensorQuantizer quantizer(input.scheme, {"fuzz", DType::kFloat32, {rows, 3}}, -1);
  quantizer.scan(bytes);
  quantizer.finish_scan();
  if (quantizer.non_finite().count > 0 || rows == 0) return result;
  const std::size_t piece = quantizer.piece_elements();
  for (std::size_t first = 0; first < result.values.size(); first += piece) {
    const std::size_t length = std::min(piece, result.values.size() - first);
    result.sums.merge(quantizer.round_trip(
        first, bytes.subspan(first * sizeof(float), length * sizeof(float)), &result.counts));
  }
  return result;
}

void check_input(const Input& input) {
  validate(input.scheme);
  TensorResult first;
  bool is_first = true;
  for (const std::string& name : runnable_simd_targets()) {
    const ForcedSimdTarget forced(name);
    TensorResult result = quantize_tensor(input);
    if (is_first) first = result;
    is_first = false;
    require(same_bits(result.values, first.values));
    require(same_bits(result.sums, first.sums));
    require(result.counts.counts == first.counts.counts);
    check_block(input);
  }
}

}  // namespace
}  // namespace narrow

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4 || size > 40000) return 0;
  try {
    narrow::check_input(narrow::read_input({data, size}));
  } catch (const narrow::Error&) {
    // Schemes and values that are refused with a sentence.
  }
  return 0;
}
