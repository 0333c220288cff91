// A convolution of a whole batch with its gradients. Internal to the training network.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "nn/training/convolutions/window_conv.h"

namespace narrow {

// Activations are [images, height, width, channels], weights [rows, columns, in, out] as TensorFlow
// has them. Everything runs on oneDNN's threads; it must be made and used under the same
// number of them. `scratch` is memory for the time of one call.
class TrainingConv {
 public:
  virtual ~TrainingConv() = default;
  [[nodiscard]] virtual std::size_t scratch_bytes() const = 0;
  // Whether backward_data() can add to what is there.
  [[nodiscard]] virtual bool can_add() const { return false; }

  virtual void forward(const float* x, const float* weights, float* y,
                       std::byte* scratch) const = 0;
  // The gradient of the input from that of the output; `add`: is added to what dx holds, only with
  // can_add().
  virtual void backward_data(const float* dy, const float* weights, float* dx, bool add,
                             std::byte* scratch) const = 0;
  virtual void backward_weights(const float* x, const float* dy, float* dweights,
                                std::byte* scratch) const = 0;
};

// The fastest kind for this convolution.
std::unique_ptr<TrainingConv> make_training_conv(const WindowConv& conv);

// With kernel and stride 1: one product of matrices.
std::unique_ptr<TrainingConv> make_pointwise_conv(const ConvGeometry& geometry);

// A product of matrices for each pair of an output pixel and an input pixel it sees, over all
// images. Nothing is computed for taps of the kernel that only meet padding: of 3 x 3 taps, an
// image of one pixel uses one, and one of 2 x 2 less than half.
std::unique_ptr<TrainingConv> make_tap_conv(const ConvGeometry& geometry);
// The number of such pairs.
std::int64_t tap_pair_count(const ConvGeometry& geometry);

// Winograd's minimal filtering with tiles of 4x4 pixels, for kernel 3 or 5 with stride 1: between
// the transforms of images and kernels 36 or 64 products of matrices, which take a quarter or a
// sixth of the operations.
std::unique_ptr<TrainingConv> make_winograd_conv(const ConvGeometry& geometry);
// The number of values that it multiplies for each pair of channels and each image: to be compared
// with tap_pair_count().
std::int64_t winograd_product_count(const ConvGeometry& geometry);

// Of weights [rows, columns, channels], each channel by itself.
std::unique_ptr<TrainingConv> make_depthwise_conv(const WindowConv& conv);

// oneDNN's primitives, for any convolution.
std::unique_ptr<TrainingConv> make_onednn_conv(const WindowConv& conv);

}  // namespace narrow
