#include "nn/training/convolutions/training_conv.h"

namespace narrow {
namespace {

// Beyond so many pairs of pixels oneDNN's convolution is as fast as the products of small matrices.
constexpr int kMostTapPairs = 25;

}  // namespace

ConvGeometry conv_geometry(const ConvLayer& layer, int images, int in_height, int in_width) {
  return {images, in_height, in_width, strided_size(in_height, layer.stride),
          strided_size(in_width, layer.stride)};
}

std::unique_ptr<TrainingConv> make_training_conv(const ConvLayer& layer,
                                                 const ConvGeometry& geometry) {
  if (layer.kernel == 1 && layer.stride == 1) return make_pointwise_conv(layer, geometry);
  if (tap_pair_count(layer, geometry) <= kMostTapPairs) return make_tap_conv(layer, geometry);
  return make_onednn_conv(layer, geometry);
}

}  // namespace narrow
