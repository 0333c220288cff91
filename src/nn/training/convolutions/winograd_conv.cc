#include <algorithm>

#include "nn/onednn_support.h"
#include "nn/training/convolutions/matrix_product.h"
#include "nn/training/convolutions/training_conv.h"
#include "nn/winograd/winograd_kernels.h"

namespace narrow {
namespace {

using winograd::kWinogradTile;
using winograd::winograd_kernels;
using winograd::winograd_planes;
using winograd::WinogradKernels;
using winograd::WinogradPlace;

// Images are taken a few at a time, so that what is transformed stays in the last level cache, but
// not so few that the matrices become too small to be multiplied fast.
constexpr std::size_t kBytesAtOnce = std::size_t{8} << 20;
constexpr std::int64_t kFewestTiles = 128;
constexpr std::int64_t kKernelsAtOnce = 4096;

std::int64_t tiles_along(int size) { return (size + kWinogradTile - 1) / kWinogradTile; }

// Kernel 3 or 5 with stride 1: the 36 or 64 products of matrices between the transforms.
class WinogradConv : public TrainingConv {
 public:
  explicit WinogradConv(const ConvGeometry& geometry)
      : images_(geometry.images),
        height_(geometry.in_height),
        width_(geometry.in_width),
        in_(geometry.in_channels),
        out_(geometry.out_channels),
        transforms_(winograd_kernels(geometry.kernel)),
        planes_(winograd_planes(geometry.kernel)),
        tiles_across_(tiles_along(width_)),
        tiles_per_image_(tiles_along(height_) * tiles_across_),
        images_at_once_(images_at_once()) {}

  // The kernels, or their gradients; the images before the products, and after them.
  [[nodiscard]] std::size_t scratch_bytes() const override {
    return planes_ * sizeof(float) *
           static_cast<std::size_t>(kernel_step() + tile_step(in_) + tile_step(out_));
  }

  void forward(const float* x, const float* weights, float* y, std::byte* scratch) const override {
    convolve({x, in_}, weights, false, {y, out_}, scratch);
  }

  // The convolution of dy with the kernels turned around and the channels exchanged.
  void backward_data(const float* dy, const float* weights, float* dx, bool /*add*/,
                     std::byte* scratch) const override {
    convolve({dy, out_}, weights, true, {dx, in_}, scratch);
  }

  void backward_weights(const float* x, const float* dy, float* dweights,
                        std::byte* scratch) const override {
    auto* kernels = reinterpret_cast<float*>(scratch);
    float* seen = kernels + planes_ * kernel_step();
    float* gradients = seen + planes_ * tile_step(in_);
    for (std::int64_t first = 0; first < images_; first += images_at_once_) {
      const std::int64_t tiles = tiles_from(first);
      for_each_tile(first, in_,
                    [&](const WinogradPlace& place, std::int64_t image, std::int64_t tile) {
                      transforms_.transform_input(place, x + image * image_size(in_),
                                                  seen + tile * in_, tile_step(in_));
                    });
      for_each_tile(
          first, out_, [&](const WinogradPlace& place, std::int64_t image, std::int64_t tile) {
            transforms_.transform_output_gradient(place, dy + image * image_size(out_),
                                                  gradients + tile * out_, tile_step(out_));
          });
      for_each_plane([&](std::int64_t plane) {
        multiply(in_, out_, tiles, {seen + plane * tile_step(in_), in_, true},
                 {gradients + plane * tile_step(out_), out_},
                 {kernels + plane * kernel_step(), out_, first > 0});
      });
    }
    for_each_kernel_part([&](std::int64_t from, std::int64_t count) {
      transforms_.transform_kernel_gradient(kernels + from, kernel_step(), count, dweights + from,
                                            kernel_step());
    });
  }

 private:
  template <typename Value>
  struct Images {
    Value* values;
    std::int64_t channels;
  };

  void convolve(const Images<const float>& from, const float* weights, bool backward,
                const Images<float>& to, std::byte* scratch) const {
    auto* kernels = reinterpret_cast<float*>(scratch);
    float* seen = kernels + planes_ * kernel_step();
    float* products = seen + planes_ * tile_step(from.channels);
    for_each_kernel_part([&](std::int64_t first, std::int64_t count) {
      transforms_.transform_kernel(weights + first, kernel_step(), count, backward, kernels + first,
                                   kernel_step());
    });
    for (std::int64_t first = 0; first < images_; first += images_at_once_) {
      const std::int64_t tiles = tiles_from(first);
      for_each_tile(first, from.channels,
                    [&](const WinogradPlace& place, std::int64_t image, std::int64_t tile) {
                      transforms_.transform_input(
                          place, from.values + image * image_size(from.channels),
                          seen + tile * from.channels, tile_step(from.channels));
                    });
      for_each_plane([&](std::int64_t plane) {
        multiply(tiles, to.channels, from.channels,
                 {seen + plane * tile_step(from.channels), from.channels},
                 {kernels + plane * kernel_step(), out_, backward},
                 {products + plane * tile_step(to.channels), to.channels});
      });
      for_each_tile(first, to.channels,
                    [&](const WinogradPlace& place, std::int64_t image, std::int64_t tile) {
                      transforms_.transform_output(place, products + tile * to.channels,
                                                   tile_step(to.channels),
                                                   to.values + image * image_size(to.channels));
                    });
    }
  }

  [[nodiscard]] std::int64_t images_at_once() const {
    const auto bytes_of_tile = static_cast<std::int64_t>(planes_ * sizeof(float)) * (in_ + out_);
    const std::int64_t tiles =
        std::max(static_cast<std::int64_t>(kBytesAtOnce) / bytes_of_tile, kFewestTiles);
    return std::clamp<std::int64_t>(tiles / tiles_per_image_, 1, images_);
  }
  [[nodiscard]] std::int64_t tiles_from(std::int64_t first) const {
    return std::min(images_at_once_, images_ - first) * tiles_per_image_;
  }
  [[nodiscard]] std::int64_t kernel_step() const { return in_ * out_; }
  [[nodiscard]] std::int64_t tile_step(std::int64_t channels) const {
    return images_at_once_ * tiles_per_image_ * channels;
  }
  [[nodiscard]] std::int64_t image_size(std::int64_t channels) const {
    return static_cast<std::int64_t>(height_) * width_ * channels;
  }

  // Calls body(place, image, tile) for the tiles of the images that are taken with image `first`;
  // they are numbered from 0.
  template <typename Body>
  void for_each_tile(std::int64_t first, std::int64_t channels, const Body& body) const {
    onednn_parallel_for(static_cast<int>(tiles_from(first) / tiles_across_), [&](int line) {
      const std::int64_t lines_per_image = tiles_per_image_ / tiles_across_;
      WinogradPlace place{height_, width_, static_cast<std::size_t>(channels),
                          static_cast<int>(line % lines_per_image) * kWinogradTile, 0};
      for (std::int64_t column = 0; column < tiles_across_; ++column) {
        place.left = static_cast<int>(column) * kWinogradTile;
        body(place, first + line / lines_per_image, line * tiles_across_ + column);
      }
    });
  }

  template <typename Body>
  void for_each_plane(const Body& body) const {
    onednn_parallel_for(static_cast<int>(planes_), [&](int plane) { body(plane); });
  }

  template <typename Body>
  void for_each_kernel_part(const Body& body) const {
    const std::int64_t parts = (kernel_step() + kKernelsAtOnce - 1) / kKernelsAtOnce;
    onednn_parallel_for(static_cast<int>(parts), [&](int part) {
      const std::int64_t first = part * kKernelsAtOnce;
      body(first, std::min(kKernelsAtOnce, kernel_step() - first));
    });
  }

  std::int64_t images_;
  int height_;
  int width_;
  std::int64_t in_;
  std::int64_t out_;
  const WinogradKernels& transforms_;
  std::size_t planes_;
  std::int64_t tiles_across_;
  std::int64_t tiles_per_image_;
  std::int64_t images_at_once_;
};

}  // namespace

std::int64_t winograd_product_count(const ConvGeometry& geometry) {
  return tiles_along(geometry.in_height) * tiles_along(geometry.in_width) *
         static_cast<std::int64_t>(winograd_planes(geometry.kernel));
}

std::unique_ptr<TrainingConv> make_winograd_conv(const ConvGeometry& geometry) {
  return std::make_unique<WinogradConv>(geometry);
}

}  // namespace narrow
