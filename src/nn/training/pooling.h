// Poolings with their gradients, for rows of channels. Internal to the training network; runs on
// oneDNN's threads.
#pragma once

#include <cstddef>
#include <cstdint>

#include "nn/onednn_support.h"
#include "nn/pool_geometry.h"

namespace narrow {

// Of the padding the mean takes no notice.
enum class PoolKind { kMax, kMean };

// The largest value of each window, or the mean, [images, height, width, channels]. Windows
// overlap, and oneDNN adds up what their gradients have in common in an order that depends on its
// threads; so each image is the work of one.
class WindowPooling {
 public:
  // `trained`: forward() also fills the workspace that backward() needs, if any.
  WindowPooling(PoolKind kind, const PoolGeometry& geometry, int images, int channels,
                bool trained);

  [[nodiscard]] std::size_t workspace_bytes() const { return of_all(workspace_bytes_); }
  [[nodiscard]] std::size_t scratch_bytes() const { return of_all(scratch_bytes_); }

  void forward(const float* x, float* y, std::byte* workspace, std::byte* scratch) const;
  void backward(const float* dy, float* dx, std::byte* workspace, std::byte* scratch) const;

 private:
  [[nodiscard]] std::size_t of_all(std::size_t bytes) const {
    return static_cast<std::size_t>(images_) * bytes;
  }
  template <typename Primitive>
  void run(const Primitive& primitive, int x_argument, const float* x, int y_argument,
           const float* y, const dnnl::memory::desc& scratchpad, std::byte* workspace,
           std::byte* scratch) const;

  dnnl::engine engine_;
  int images_;
  // Of one image.
  dnnl::memory::desc x_;
  dnnl::memory::desc y_;
  dnnl::memory::desc workspace_;
  dnnl::memory::desc forward_scratch_;
  dnnl::memory::desc backward_scratch_;
  std::size_t workspace_bytes_ = 0;
  std::size_t scratch_bytes_ = 0;
  dnnl::pooling_forward forward_;
  dnnl::pooling_backward backward_;
};

// The mean over all pixels: [images, pixels, channels] to [images, channels].
void mean_of_pixels(const float* x, int images, std::int64_t pixels, int channels, float* y);
void mean_of_pixels_backward(const float* dy, int images, std::int64_t pixels, int channels,
                             float* dx);

// The gradient of taking every stride-th pixel: [images, out_height, out_width, channels] to
// [images, in_height, in_width, channels].
struct Subsampling {
  int images = 0;
  int in_height = 0;
  int in_width = 0;
  int out_height = 0;
  int out_width = 0;
  int stride = 1;
  int channels = 0;
};
void subsample_backward(const Subsampling& sampling, const float* dy, float* dx);

}  // namespace narrow
