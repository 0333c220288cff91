#include "checkpoint/tflite/tflite_types.h"

#include <algorithm>
#include <array>

namespace narrow {
namespace {

// Integers of less than 8 bits without scales are delivered in 8.
constexpr std::array kTypes = std::to_array<TfliteType>({
    {0, "FLOAT32", DType::kFloat32, 32},
    {1, "FLOAT16", DType::kFloat16, 16},
    {2, "INT32", DType::kInt32, 32, true},
    {3, "UINT8", DType::kUInt8, 8, true},
    {4, "INT64", DType::kInt64, 64, true},
    {5, "STRING", DType::kOpaque, 0},
    {6, "BOOL", DType::kBool, 8},
    {7, "INT16", DType::kInt16, 16, true},
    {8, "COMPLEX64", DType::kComplex64, 64},
    {9, "INT8", DType::kInt8, 8, true},
    {10, "FLOAT64", DType::kFloat64, 64},
    {11, "COMPLEX128", DType::kComplex128, 128},
    {12, "UINT64", DType::kUInt64, 64},
    {13, "RESOURCE", DType::kOpaque, 0},
    {14, "VARIANT", DType::kOpaque, 0},
    {15, "UINT32", DType::kUInt32, 32},
    {16, "UINT16", DType::kUInt16, 16, true},
    {17, "INT4", DType::kInt8, 4, true},
    {18, "BFLOAT16", DType::kBFloat16, 16},
    {19, "INT2", DType::kInt8, 2, true},
    {20, "UINT4", DType::kUInt8, 4, true},
});

}  // namespace

const TfliteType* find_tflite_type(int number) {
  const auto* const found = std::ranges::find(kTypes, number, &TfliteType::number);
  return found == kTypes.end() ? nullptr : found;
}

}  // namespace narrow
