#include "nn/training/convolutions/training_conv.h"

#include <algorithm>

namespace narrow {
namespace {

// Beyond so many pairs of pixels oneDNN's convolution is as fast as the products of small matrices.
constexpr int kMostTapPairs = 25;
// Winograd's transforms have to pay: by half of the products at least, for so many products each.
constexpr int kFewestWinogradDepths = 32;

bool suits_winograd(const ConvLayer& layer, const ConvGeometry& geometry) {
  return layer.kernel == 3 && layer.stride == 1 &&
         std::min(layer.in_depth, layer.out_depth) >= kFewestWinogradDepths &&
         2 * winograd_product_count(geometry) <= tap_pair_count(layer, geometry);
}

}  // namespace

ConvGeometry conv_geometry(const ConvLayer& layer, int images, int in_height, int in_width) {
  return {images, in_height, in_width, strided_size(in_height, layer.stride),
          strided_size(in_width, layer.stride)};
}

std::unique_ptr<TrainingConv> make_training_conv(const ConvLayer& layer,
                                                 const ConvGeometry& geometry) {
  if (layer.kernel == 1 && layer.stride == 1) return make_pointwise_conv(layer, geometry);
  if (tap_pair_count(layer, geometry) <= kMostTapPairs) return make_tap_conv(layer, geometry);
  if (suits_winograd(layer, geometry)) return make_winograd_conv(layer, geometry);
  return make_onednn_conv(layer, geometry);
}

}  // namespace narrow
