// Transposed convolutions whose windows do not overlap. Internal to this folder.
#pragma once

#include "nn/inference/conv_folding.h"

namespace narrow {

// Whether each element of x makes a tile of the result by itself: kernel and stride are equal, over
// two axes, without groups and with nothing cut away.
bool makes_tiles(const ConvSizes& sizes);

// Adds the chain as a convolution with a kernel of one element, from which each tile's elements
// come as channels, and a copy to their places; or returns false and has added nothing when oneDNN
// has no such convolution. makes_tiles(sizes) is true, and the chain has no addend.
bool add_tile_deconvolution(ProgramValues& values, const ConvChain& chain, const ConvSizes& sizes,
                            const dnnl::primitive_attr& attributes);

}  // namespace narrow
