// Tensors of ONNX messages as arrays.
#pragma once

#include <cstdint>
#include <string>

#include "graph/graph.h"
#include "onnx_model.pb.h"

namespace narrow {

// Of a TensorProto.DataType; of a small type the one that holds its values. Throws
// Error(kUnsupported) for one that is not computed with.
DType dtype_of_onnx(std::int32_t data_type);
// kNone for one that DType has.
SmallType small_type_of_onnx(std::int32_t data_type);

// The TensorProto.DataType of the type, or of `small` unless that is kNone. Throws
// Error(kUnsupported) for one that ONNX lacks.
std::int32_t onnx_type_of(DType type, SmallType small);

// The array as a message; with `small` its values are those of that type.
onnx::TensorProto onnx_tensor(const std::string& name, const Constant& constant, SmallType small);

// Throws Error(kCorrupt) when the values are not as many as the shape says, Error(kUnsupported) for
// a type that is not computed with or values in another file.
Constant read_onnx_tensor(const onnx::TensorProto& tensor);

// The shape. Throws Error(kCorrupt) for a negative size or too many elements.
Shape shape_of_onnx(const onnx::TensorProto& tensor);

}  // namespace narrow
