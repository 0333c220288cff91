// Which constants of a TFLite model are weights, as its operators tell.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "checkpoint/tflite/flat_file.h"
#include "checkpoint/tflite/tflite_model.h"

namespace narrow {

inline constexpr std::size_t kNoTensor = SIZE_MAX;

// For each tensor of a subgraph where it stands in the list of constants, or kNoTensor.
using TensorPositions = std::vector<std::size_t>;

// The numbers of the operators (BuiltinOperator) that `codes`, a vector of OperatorCode, lists.
std::vector<std::int32_t> read_operator_codes(FlatFile& file, FlatVector codes);

// Sets use and channel_axis of the constants of one subgraph that are weights of an operator in
// `operators`, also behind DEQUANTIZE and DENSIFY: of convolutions ([O, H, W, I]: axis 0; depthwise
// [1, H, W, C]: 3; 3D [D, H, W, I, O]: 4, transposed: 3), FULLY_CONNECTED [O, I] (0), BATCH_MATMUL
// (that of the outputs), recurrent layers (0), and the tables of GATHER and EMBEDDING_LOOKUP (0).
void mark_tflite_weights(FlatFile& file, FlatVector operators, std::span<const std::int32_t> codes,
                         const TensorPositions& positions, std::vector<TfliteTensor>& tensors);

}  // namespace narrow
