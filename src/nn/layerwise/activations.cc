#include "nn/layerwise/activations.h"

#include <algorithm>

#include "base/parallel.h"

namespace narrow {
namespace {

std::span<const float> image_of(const Activations& x, std::size_t image) {
  return std::span(x.values).subspan(image * x.floats_per_image(), x.floats_per_image());
}

std::span<float> image_of(Activations& x, std::size_t image) {
  return std::span(x.values).subspan(image * x.floats_per_image(), x.floats_per_image());
}

// Calls body(image) for every image, several at once.
template <typename Body>
void for_each_image(const Activations& x, const Body& body) {
  parallel_for(static_cast<std::size_t>(x.images), body);
}

// First row or column of the window of output `position`, which may lie before the image.
int window_begin(int in, int out, int size, int stride, int position) {
  const int total = std::max((out - 1) * stride + size - in, 0);
  return position * stride - total / 2;
}

// The largest values of the window that begins at (top, left), by channel.
void pool_window(const Activations& x, std::span<const float> from, int top, int left, int size,
                 float* to) {
  const auto depth = static_cast<std::size_t>(x.depth);
  bool first = true;
  for (int row = std::max(top, 0); row < std::min(top + size, x.height); ++row) {
    for (int column = std::max(left, 0); column < std::min(left + size, x.width); ++column) {
      const float* const pixel =
          from.data() + (static_cast<std::size_t>(row) * x.width + column) * depth;
      for (std::size_t c = 0; c < depth; ++c) to[c] = first ? pixel[c] : std::max(to[c], pixel[c]);
      first = false;
    }
  }
}

}  // namespace

Activations Activations::zeros(std::int64_t images, int height, int width, int depth) {
  Activations x{images, height, width, depth, {}};
  x.values.resize(static_cast<std::size_t>(images) * x.floats_per_image());
  return x;
}

Activations max_pool(const Activations& x, int size, int stride) {
  Activations y = Activations::zeros(x.images, strided_size(x.height, stride),
                                     strided_size(x.width, stride), x.depth);
  for_each_image(x, [&](std::size_t image) {
    float* to = image_of(y, image).data();
    for (int row = 0; row < y.height; ++row) {
      const int top = window_begin(x.height, y.height, size, stride, row);
      for (int column = 0; column < y.width; ++column, to += y.depth) {
        const int left = window_begin(x.width, y.width, size, stride, column);
        pool_window(x, image_of(x, image), top, left, size, to);
      }
    }
  });
  return y;
}

Activations global_mean(const Activations& x) {
  Activations y = Activations::zeros(x.images, 1, 1, x.depth);
  const auto depth = static_cast<std::size_t>(x.depth);
  for_each_image(x, [&](std::size_t image) {
    std::vector<double> sums(depth);
    const std::span<const float> from = image_of(x, image);
    for (std::size_t i = 0; i < from.size(); ++i) sums[i % depth] += from[i];
    const double pixels = static_cast<double>(x.height) * x.width;
    std::ranges::transform(sums, image_of(y, image).begin(),
                           [&](double sum) { return static_cast<float>(sum / pixels); });
  });
  return y;
}

void scale_and_shift(std::span<const double> slope, std::span<const double> offset, bool relu,
                     Activations& x) {
  for_each_image(x, [&](std::size_t image) {
    const std::span<float> values = image_of(x, image);
    for (std::size_t i = 0; i < values.size(); i += slope.size()) {
      for (std::size_t c = 0; c < slope.size(); ++c) {
        const auto y = static_cast<float>(slope[c] * values[i + c] + offset[c]);
        values[i + c] = relu ? std::max(y, 0.0F) : y;
      }
    }
  });
}

void add_and_rectify(const Activations& x, Activations& sum) {
  for_each_image(x, [&](std::size_t image) {
    const std::span<const float> from = image_of(x, image);
    const std::span<float> to = image_of(sum, image);
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = std::max(to[i] + from[i], 0.0F);
  });
}

}  // namespace narrow
