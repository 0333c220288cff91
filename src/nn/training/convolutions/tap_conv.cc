#include <algorithm>
#include <vector>

#include "nn/onednn_support.h"
#include "nn/training/convolutions/matrix_product.h"
#include "nn/training/convolutions/training_conv.h"

namespace narrow {
namespace {

// Pixels and taps are numbered row by row.
struct TapPair {
  int out = 0;
  int in = 0;
  int tap = 0;
};

std::vector<TapPair> tap_pairs(const ConvGeometry& geometry) {
  const int before = geometry.padding();
  std::vector<TapPair> pairs;
  for (int oy = 0; oy < geometry.out_height; ++oy) {
    for (int ox = 0; ox < geometry.out_width; ++ox) {
      for (int tap = 0; tap < geometry.kernel * geometry.kernel; ++tap) {
        const int iy = oy * geometry.stride + tap / geometry.kernel - before;
        const int ix = ox * geometry.stride + tap % geometry.kernel - before;
        if (iy < 0 || iy >= geometry.in_height || ix < 0 || ix >= geometry.in_width) continue;
        pairs.push_back({oy * geometry.out_width + ox, iy * geometry.in_width + ix, tap});
      }
    }
  }
  return pairs;
}

// The pairs along one dimension; those of an image are their product.
std::int64_t reached(int kernel, int stride, int in_size, int out_size) {
  const int before = (kernel - 1) / 2;
  std::int64_t count = 0;
  for (int out = 0; out < out_size; ++out) {
    const int first = std::max(out * stride - before, 0);
    const int last = std::min(out * stride - before + kernel - 1, in_size - 1);
    count += std::max(last - first + 1, 0);
  }
  return count;
}

class TapConv : public TrainingConv {
 public:
  explicit TapConv(const ConvGeometry& geometry)
      : images_(geometry.images),
        in_(geometry.in_channels),
        out_(geometry.out_channels),
        in_pixels_(static_cast<std::int64_t>(geometry.in_height) * geometry.in_width),
        out_pixels_(static_cast<std::int64_t>(geometry.out_height) * geometry.out_width),
        by_output_(static_cast<std::size_t>(out_pixels_)),
        by_input_(static_cast<std::size_t>(in_pixels_)),
        by_tap_(static_cast<std::size_t>(geometry.kernel) * geometry.kernel) {
    for (const TapPair& pair : tap_pairs(geometry)) {
      by_output_[static_cast<std::size_t>(pair.out)].push_back(pair);
      by_input_[static_cast<std::size_t>(pair.in)].push_back(pair);
      by_tap_[static_cast<std::size_t>(pair.tap)].push_back(pair);
    }
  }

  [[nodiscard]] std::size_t scratch_bytes() const override { return 0; }

  void forward(const float* x, const float* weights, float* y, std::byte*) const override {
    for_each_group(by_output_, [&](std::size_t group) {
      bool add = false;
      for (const TapPair& pair : by_output_[group]) {
        multiply(images_, out_, in_, input(x, pair), tap(weights, pair),
                 {y + pair.out * out_, out_pixels_ * out_, add});
        add = true;
      }
    });
  }

  void backward_data(const float* dy, const float* weights, float* dx, bool /*add*/,
                     std::byte*) const override {
    for_each_group(by_input_, [&](std::size_t group) {
      float* pixel = dx + static_cast<std::int64_t>(group) * in_;
      const std::int64_t step = in_pixels_ * in_;
      bool add = false;
      for (const TapPair& pair : by_input_[group]) {
        Factor factor = tap(weights, pair);
        factor.transposed = true;
        multiply(images_, in_, out_, output(dy, pair), factor, {pixel, step, add});
        add = true;
      }
      if (add) return;  // else no output sees the pixel
      for (std::int64_t image = 0; image < images_; ++image) {
        std::fill_n(pixel + image * step, in_, 0.0F);
      }
    });
  }

  void backward_weights(const float* x, const float* dy, float* dweights,
                        std::byte*) const override {
    for_each_group(by_tap_, [&](std::size_t group) {
      float* gradient = dweights + static_cast<std::int64_t>(group) * in_ * out_;
      bool add = false;
      for (const TapPair& pair : by_tap_[group]) {
        Factor factor = input(x, pair);
        factor.transposed = true;
        multiply(in_, out_, images_, factor, output(dy, pair), {gradient, out_, add});
        add = true;
      }
      if (!add) std::fill_n(gradient, in_ * out_, 0.0F);
    });
  }

 private:
  using Groups = std::vector<std::vector<TapPair>>;

  // Groups write to different places. One after the other, each in parallel, where there are too
  // few of them to keep every thread busy.
  template <typename Body>
  static void for_each_group(const Groups& groups, const Body& body) {
    const int count = static_cast<int>(groups.size());
    if (count < onednn_threads()) {
      for (int group = 0; group < count; ++group) body(static_cast<std::size_t>(group));
    } else {
      onednn_parallel_for(count, [&](int group) { body(static_cast<std::size_t>(group)); });
    }
  }

  // One pixel of all images; one tap of the weights.
  [[nodiscard]] Factor input(const float* x, const TapPair& pair) const {
    return {x + pair.in * in_, in_pixels_ * in_};
  }
  [[nodiscard]] Factor output(const float* y, const TapPair& pair) const {
    return {y + pair.out * out_, out_pixels_ * out_};
  }
  [[nodiscard]] Factor tap(const float* weights, const TapPair& pair) const {
    return {weights + pair.tap * in_ * out_, out_};
  }

  std::int64_t images_;
  std::int64_t in_;
  std::int64_t out_;
  std::int64_t in_pixels_;
  std::int64_t out_pixels_;
  Groups by_output_;
  Groups by_input_;
  Groups by_tap_;
};

}  // namespace

std::int64_t tap_pair_count(const ConvGeometry& geometry) {
  return reached(geometry.kernel, geometry.stride, geometry.in_height, geometry.out_height) *
         reached(geometry.kernel, geometry.stride, geometry.in_width, geometry.out_width);
}

std::unique_ptr<TrainingConv> make_tap_conv(const ConvGeometry& geometry) {
  return std::make_unique<TapConv>(geometry);
}

}  // namespace narrow
