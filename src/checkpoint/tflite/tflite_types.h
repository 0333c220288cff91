// The element types of TFLite: TensorType of
// https://github.com/tensorflow/tensorflow/blob/master/tensorflow/compiler/mlir/lite/schema/schema.fbs.
#pragma once

#include <string_view>

#include "narrow/tensor.h"

namespace narrow {

struct TfliteType {
  int number = 0;
  std::string_view name;  // TFLite's
  DType dtype = DType::kOpaque;
  unsigned bits = 8;          // of an element; those of less than 8 share bytes, the first lowest
  bool may_be_codes = false;  // integers that are codes where the tensor has scales
};

// The row of a type; nothing for one that is newer than this table.
const TfliteType* find_tflite_type(int number);

}  // namespace narrow
