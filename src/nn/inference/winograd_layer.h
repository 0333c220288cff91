// A convolution of 3 x 3 as Winograd's algorithm around oneDNN's matrix products. Internal to this
// folder.
#pragma once

#include "nn/conv_geometry.h"
#include "nn/inference/folded_conv.h"
#include "nn/inference/program_builder.h"

namespace narrow {

// Whether Winograd's F(4x4, 3x3) is faster than a direct convolution.
bool winograd_pays(const ConvGeometry& geometry);

// Adds the steps of the layer: convolution, bias and, if asked for, ReLU.
Activation add_winograd_conv(ProgramBuilder& builder, const ConvGeometry& geometry,
                             const FoldedConv& folded, bool relu, const Activation& x);

}  // namespace narrow
