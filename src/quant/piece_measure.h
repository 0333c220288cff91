// Errors of one piece of a tensor under several schemes, whose restored values nobody wants.
#pragma once

#include <vector>

#include "narrow/quantize_values.h"
#include "narrow/tensor.h"
#include "quant/blocks/piece_blocks.h"

namespace narrow {

// Of each scheme (at least one), given by its blocks of the piece, what TensorQuantizer::round_trip
// returns, to the bit. Throws what PieceBlocks throws.
std::vector<ErrorSums> measure_piece(DType dtype, std::vector<PieceBlocks> schemes);

}  // namespace narrow
