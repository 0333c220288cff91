// Sparse tensors of TFLite, which store what is not zero and where it belongs: SparsityParameters
// of
// https://github.com/tensorflow/tensorflow/blob/master/tensorflow/compiler/mlir/lite/schema/schema.fbs.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "checkpoint/tflite/tflite_model.h"
#include "narrow/checkpoint.h"

namespace narrow {

// The dense tensor; holds the stored values and their places. `tensor` is sparse, and its stored
// values are whole elements. Throws Error(kCorrupt) for places outside of the tensor or used twice,
// and for others than there are values.
std::unique_ptr<TensorStream> open_sparse(const InputFile& file, const TfliteTensor& tensor);

}  // namespace narrow
