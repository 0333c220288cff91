// Weights of ONNX files that another tool quantized, as the numbers that they stand for.
#pragma once

#include <memory>

#include "narrow/checkpoint.h"
#include "narrow/export.h"

namespace narrow {

// A reader of the same tensors that gives codes as float32 values, (code - zero point) * scale,
// each step rounded to float32, where the network does so before anything else reads them: an
// initializer or Constant of integers of at most 32 bits that is an input of one node only,
// DequantizeLinear, or Cast and then DequantizeLinear or Mul, with stored scale and zero point
// (https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html). Such a tensor keeps its name and
// place, is of type float32, and `stored_as` says the type of the codes ("INT4"). Where nothing is
// to be dequantized, and for other formats, `reader` itself.
// It is a view for looking, comparing and running, where the network of the file reads these values
// instead of the node's: to quantize such a weight again, make a file of the values first. Throws
// what reading the file's nodes throws; reading a tensor throws what reading its codes, scales and
// zero points throws.
NARROW_EXPORT std::unique_ptr<CheckpointReader> see_dequantized(
    std::unique_ptr<CheckpointReader> reader);

// What a network is computed from: as above, but `reader` itself where the file quantizes values
// between operators, too. Then codes are what is computed with, and weights have to stay codes.
NARROW_EXPORT std::unique_ptr<CheckpointReader> see_as_computed(
    std::unique_ptr<CheckpointReader> reader);

}  // namespace narrow
