#include "tasks/value_pieces.h"

#include <algorithm>

#include "base/bytes.h"
#include "narrow/error.h"
#include "quant/half.h"

namespace narrow {
namespace {

// Converts elements of type Stored by `convert`.
template <typename Stored, typename Convert>
void convert_all(std::span<const std::byte> bytes, std::span<double> values, Convert convert) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = convert(load_le<Stored>(bytes.data() + i * sizeof(Stored)));
  }
}

template <typename Stored>
void cast_all(std::span<const std::byte> bytes, std::span<double> values) {
  convert_all<Stored>(bytes, values, [](Stored value) { return static_cast<double>(value); });
}

void to_doubles(DType dtype, std::span<const std::byte> bytes, std::span<double> values) {
  switch (dtype) {
    case DType::kFloat32:
    case DType::kComplex64:
      return cast_all<float>(bytes, values);
    case DType::kFloat64:
    case DType::kComplex128:
      return cast_all<double>(bytes, values);
    case DType::kFloat16:
      return convert_all<std::uint16_t>(bytes, values, half_to_float);
    case DType::kBFloat16:
      return convert_all<std::uint16_t>(bytes, values, bfloat16_to_float);
    case DType::kFloat8E4M3:
      return convert_all<std::uint8_t>(bytes, values, float8_e4m3_to_float);
    case DType::kFloat8E5M2:
      return convert_all<std::uint8_t>(bytes, values, float8_e5m2_to_float);
    case DType::kInt8:
    case DType::kQInt8:
      return cast_all<std::int8_t>(bytes, values);
    case DType::kUInt8:
    case DType::kQUInt8:
    case DType::kBool:
      return cast_all<std::uint8_t>(bytes, values);
    case DType::kInt16:
    case DType::kQInt16:
      return cast_all<std::int16_t>(bytes, values);
    case DType::kUInt16:
    case DType::kQUInt16:
      return cast_all<std::uint16_t>(bytes, values);
    case DType::kInt32:
    case DType::kQInt32:
      return cast_all<std::int32_t>(bytes, values);
    case DType::kUInt32:
      return cast_all<std::uint32_t>(bytes, values);
    case DType::kInt64:
      return cast_all<std::int64_t>(bytes, values);
    case DType::kUInt64:
      return cast_all<std::uint64_t>(bytes, values);
    case DType::kString:
      break;
  }
  throw Error(ErrorCategory::kUsage, "strings have no numeric value");
}

}  // namespace

int values_per_element(DType dtype) noexcept {
  if (dtype == DType::kString) return 0;
  return dtype == DType::kComplex64 || dtype == DType::kComplex128 ? 2 : 1;
}

ValuePieces::ValuePieces(const CheckpointReader& reader, std::size_t index)
    : dtype_(reader.tensors()[index].dtype),
      elements_left_(element_count(reader.tensors()[index].shape)),
      stream_(reader.open(index)) {}

std::span<const double> ValuePieces::next(std::size_t max_values) {
  const auto parts = static_cast<std::size_t>(values_per_element(dtype_));
  const std::uint64_t elements = std::min<std::uint64_t>(elements_left_, max_values / parts);
  bytes_.resize(elements * element_size(dtype_));
  values_.resize(elements * parts);
  if (elements == 0) return {};
  stream_->read(bytes_);
  to_doubles(dtype_, bytes_, values_);
  elements_left_ -= elements;
  return values_;
}

}  // namespace narrow
