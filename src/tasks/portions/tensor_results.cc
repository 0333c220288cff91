#include "tasks/portions/tensor_results.h"

#include <span>

namespace narrow {
namespace {

void put_params(const BlockParams& params, ByteRecord& record) {
  record.put(params.lo);
  record.put(params.hi);
  record.put(params.bin_width);
  record.put(params.fraction_bits);
  record.put(params.decimal_exponent);
  record.put(params.scale);
  record.put(params.zero);
  record.put(params.is_signed);
  record.put(params.clips);
  record.put_all(std::span(params.levels));
}

BlockParams take_params(ByteRecordReader& reader) {
  BlockParams params;
  params.lo = reader.take<double>();
  params.hi = reader.take<double>();
  params.bin_width = reader.take<double>();
  params.fraction_bits = reader.take<int>();
  params.decimal_exponent = reader.take<int>();
  params.scale = reader.take<double>();
  params.zero = reader.take<std::int64_t>();
  params.is_signed = reader.take<std::uint8_t>() != 0;
  params.clips = reader.take<std::uint8_t>() != 0;
  params.levels = reader.take_all<float>();
  return params;
}

template <typename T>
void put_optional(const std::optional<T>& value, ByteRecord& record) {
  record.put(value.has_value());
  record.put(value.value_or(T()));
}

template <typename T>
std::optional<T> take_optional(ByteRecordReader& reader) {
  const bool is_there = reader.take<std::uint8_t>() != 0;
  const T value = reader.take<T>();
  return is_there ? std::optional<T>(value) : std::nullopt;
}

}  // namespace

void put_result(const TensorResult& result, ByteRecord& record) {
  record.put(result.quantized);
  record.put(result.reason);
  record.put(result.non_finite);
  record.put(result.blocks);
  record.put(result.clipped_blocks);
  record.put(result.clipped_values);
  record.put(static_cast<std::uint64_t>(result.params.size()));
  for (const BlockParams& params : result.params) put_params(params, record);
  record.put(result.errors);
  put_optional(result.codes_used, record);
  put_optional(result.entropy_bits, record);
}

void take_result(ByteRecordReader& reader, TensorResult& result) {
  result.quantized = reader.take<std::uint8_t>() != 0;
  result.reason = reader.take<CopyReason>();
  result.non_finite = reader.take<std::uint64_t>();
  result.blocks = reader.take<std::uint64_t>();
  result.clipped_blocks = reader.take<std::uint64_t>();
  result.clipped_values = reader.take<std::uint64_t>();
  result.params.clear();
  for (auto left = reader.take<std::uint64_t>(); left > 0; --left) {
    result.params.push_back(take_params(reader));
  }
  result.errors = reader.take<ErrorSums>();
  result.codes_used = take_optional<std::uint64_t>(reader);
  result.entropy_bits = take_optional<double>(reader);
}

}  // namespace narrow
