#include "nn/training/convolutions/training_conv.h"

#include <algorithm>

namespace narrow {
namespace {

// Beyond so many pairs of pixels oneDNN's convolution is as fast as the products of small matrices.
constexpr int kMostTapPairs = 25;
// Winograd's transforms have to pay: by half of the products at least, for so many products each.
constexpr int kFewestWinogradChannels = 32;

bool suits_winograd(const ConvGeometry& geometry) {
  return geometry.kernel == 3 && geometry.stride == 1 &&
         std::min(geometry.in_channels, geometry.out_channels) >= kFewestWinogradChannels &&
         2 * winograd_product_count(geometry) <= tap_pair_count(geometry);
}

}  // namespace

std::unique_ptr<TrainingConv> make_training_conv(const ConvGeometry& geometry) {
  if (geometry.kernel == 1 && geometry.stride == 1) return make_pointwise_conv(geometry);
  if (tap_pair_count(geometry) <= kMostTapPairs) return make_tap_conv(geometry);
  if (suits_winograd(geometry)) return make_winograd_conv(geometry);
  return make_onednn_conv(geometry);
}

}  // namespace narrow
