#include "nn/training/convolutions/training_conv.h"

#include <algorithm>

namespace narrow {
namespace {

// Beyond so many pairs of pixels oneDNN's convolution is as fast as the products of small matrices.
constexpr int kMostTapPairs = 25;
// Winograd's transforms have to pay: by half of the products at least, for so many products each.
constexpr int kFewestWinogradChannels = 32;

bool suits_winograd(const ConvGeometry& geometry) {
  return (geometry.kernel == 3 || geometry.kernel == 5) && geometry.stride == 1 &&
         std::min(geometry.in_channels, geometry.out_channels) >= kFewestWinogradChannels &&
         2 * winograd_product_count(geometry) <= tap_pair_count(geometry);
}

// The weights of a window that is all of an image are a matrix, and so is the batch.
ConvGeometry as_pointwise(const WindowConv& conv) {
  ConvGeometry geometry;
  geometry.images = conv.images;
  geometry.in_channels = conv.in_channels * conv.kernel[0] * conv.kernel[1];
  geometry.out_channels = conv.out_channels;
  geometry.in_height = geometry.in_width = 1;
  geometry.out_height = geometry.out_width = 1;
  return geometry;
}

}  // namespace

std::unique_ptr<TrainingConv> make_training_conv(const WindowConv& conv) {
  if (conv.is_depthwise() && conv.groups > 1) return make_depthwise_conv(conv);
  if (const auto geometry = centred_geometry(conv)) {
    if (geometry->kernel == 1 && geometry->stride == 1) return make_pointwise_conv(*geometry);
    if (tap_pair_count(*geometry) <= kMostTapPairs) return make_tap_conv(*geometry);
    if (suits_winograd(*geometry)) return make_winograd_conv(*geometry);
  }
  if (conv.is_of_whole_image()) return make_pointwise_conv(as_pointwise(conv));
  return make_onednn_conv(conv);
}

}  // namespace narrow
