// Element types, shapes, and what is known of a tensor before its values are read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "narrow/export.h"

namespace narrow {

// Every element type that this library computes with, and kOpaque for all others that a checkpoint
// may hold. The quantized integer types are TensorFlow's (qint8, ...): plain integers as far as
// this library is concerned.
enum class DType : std::uint8_t {
  kFloat32,
  kFloat64,
  kFloat16,
  kBFloat16,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kUInt8,
  kUInt16,
  kUInt32,
  kUInt64,
  kBool,
  kComplex64,
  kComplex128,
  kString,
  kQInt8,
  kQUInt8,
  kQInt16,
  kQUInt16,
  kQInt32,
  kFloat8E4M3,
  kFloat8E5M2,
  kOpaque,  // a type that is listed and copied, but not computed with: see OpaqueType
};

// "float32", "bfloat16", ...: the name used in tables, JSON and error messages.
NARROW_EXPORT std::string_view to_string(DType dtype) noexcept;

// Bytes of one element; 0 for strings, whose elements have no fixed size; 1 for kOpaque, whose
// values are bytes here.
NARROW_EXPORT std::size_t element_size(DType dtype) noexcept;

// float16, bfloat16, float32, float64: the types that can be quantized.
NARROW_EXPORT bool is_floating_point(DType dtype) noexcept;

// Dimensions, outermost first, every one >= 0; empty for a scalar.
using Shape = std::vector<std::int64_t>;

// "[3, 3, 64, 64]"; "[]" for a scalar.
NARROW_EXPORT std::string to_string(const Shape& shape);

// Product of the dimensions (1 for a scalar). Throws Error(kCorrupt) on a negative dimension or
// when the product does not fit in 63 bits.
NARROW_EXPORT std::uint64_t element_count(const Shape& shape);

// What is known of the values of a tensor of type kOpaque: enough to show and to copy them.
struct OpaqueType {
  // Whose type it is; only a file of this family can hold the values.
  enum class Family : std::uint8_t {
    kSafetensors,
    kTensorFlow,
    kNumpy,
    kOnnx,
    kPyTorch,
    kGguf,
    kHdf5,
    kTflite,
  };

  Family family = Family::kSafetensors;
  std::string name;             // as the file has it: "F4", "variant", "<U7", "INT4"
  std::uint64_t byte_size = 0;  // of all values as they lie in the file
  bool column_major = false;    // NumPy's fortran_order: the first index runs fastest
  bool operator==(const OpaqueType&) const = default;
};

// What the network does with a tensor, where the file has one.
enum class TensorUse : std::uint8_t {
  kUnknown,  // the file has none
  kWeight,   // of a linear layer or an embedding
  kOther,
};

struct NARROW_EXPORT TensorInfo {
  std::string name;
  DType dtype = DType::kFloat32;
  Shape shape;
  OpaqueType opaque = {};  // of kOpaque only
  TensorUse use = TensorUse::kUnknown;
  std::optional<int> channel_axis = {};  // of a weight: the output channels, if the network tells
  // Where the file has codes from which the values are computed as they are read: their type by its
  // name in the file ("Q4_K"). Empty where the values themselves lie in the file.
  std::string stored_as = {};

  // element_count(shape) * element_size(dtype), checked for overflow; 0 for strings; what `opaque`
  // says for kOpaque.
  [[nodiscard]] std::uint64_t byte_size() const;
  // The name of the type for tables, JSON and messages: to_string(dtype), or the opaque type's own.
  [[nodiscard]] std::string_view type_name() const noexcept;
  // Whether name, type and shape are the same, whatever the tensors are used for.
  [[nodiscard]] bool same_tensor(const TensorInfo& other) const;
  bool operator==(const TensorInfo&) const = default;
};

}  // namespace narrow
