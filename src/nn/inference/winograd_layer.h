// A convolution of 3 x 3 as Winograd's algorithm around oneDNN's matrix products, for processors
// where oneDNN has no Winograd of its own. Internal to this folder.
#pragma once

#include "nn/inference/folded_conv.h"
#include "nn/inference/program_builder.h"
#include "nn/resnet_v1.h"

namespace narrow {

// Whether Winograd's F(4x4, 3x3) is faster than a direct convolution whose results are `height` x
// `width` pixels of `images` images.
bool winograd_pays(const ConvLayer& layer, std::int64_t images, int height, int width);

// Adds the steps of the layer: convolution, bias and, if the layer has it, ReLU.
Activation add_winograd_conv(ProgramBuilder& builder, const ConvLayer& layer,
                             const FoldedConv& folded, const Activation& x);

}  // namespace narrow
