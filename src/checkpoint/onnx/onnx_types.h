// The element types of ONNX, and in which field of a tensor their values lie.
#pragma once

#include <cstdint>
#include <string_view>

#include "narrow/tensor.h"

namespace narrow {

// Fields of TensorProto that hold values, by number.
enum class OnnxField : std::uint8_t {
  kNone = 0,
  kFloat = 4,
  kInt32 = 5,
  kString = 6,
  kInt64 = 7,
  kRaw = 9,
  kDouble = 10,
  kUInt64 = 11,
};

struct OnnxType {
  int number = 0;         // TensorProto.DataType
  std::string_view name;  // ONNX's
  DType dtype = DType::kOpaque;
  unsigned bits = 8;  // of an element; codes of less than 8 bits share bytes, the first one lowest
  OnnxField field = OnnxField::kNone;  // for values that are not in raw_data
  // Of a negative value all 64 bits are written in a varint field.
  bool is_signed = false;

  // Bytes that one entry of `field` stands for.
  [[nodiscard]] unsigned entry_bytes() const;
};

// The row of a type; nothing for one that is newer than this table.
const OnnxType* find_onnx_type(std::int64_t number);

// "float_data", "raw_data", ...
std::string_view to_string(OnnxField field);

}  // namespace narrow
