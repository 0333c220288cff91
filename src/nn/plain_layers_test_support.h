// Test support: layers of ResNet V1 in double that follow the definition word by word.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

namespace narrow {

struct Image {
  int height = 0;
  int width = 0;
  int depth = 0;
  std::vector<double> values;  // [height][width][depth]

  Image(int h, int w, int d)
      : height(h), width(w), depth(d), values(static_cast<std::size_t>(h) * w * d) {}
  double& at(int y, int x, int c) {
    return values[(static_cast<std::size_t>(y) * width + x) * depth + c];
  }
  [[nodiscard]] double at(int y, int x, int c) const {
    return values[(static_cast<std::size_t>(y) * width + x) * depth + c];
  }
  [[nodiscard]] bool has(int y, int x) const { return y >= 0 && y < height && x >= 0 && x < width; }
};

// Slim's conv2d_same: zeros (kernel - 1) / 2 before and the rest of kernel - 1 after, then VALID.
template <typename Weights>
Image conv2d_same(const Image& x, const Weights& weights, int kernel, int stride, int out_depth) {
  const int before = (kernel - 1) / 2;
  const auto out_size = [&](int in) { return (in + kernel - 1 - kernel) / stride + 1; };
  Image y(out_size(x.height), out_size(x.width), out_depth);
  for (int oy = 0; oy < y.height; ++oy) {
    for (int ox = 0; ox < y.width; ++ox) {
      for (int ky = 0; ky < kernel; ++ky) {
        for (int kx = 0; kx < kernel; ++kx) {
          const int iy = oy * stride + ky - before;
          const int ix = ox * stride + kx - before;
          if (!x.has(iy, ix)) continue;
          for (int c = 0; c < x.depth; ++c) {
            const auto* row =
                &weights[((static_cast<std::size_t>(ky) * kernel + kx) * x.depth + c) * out_depth];
            for (int k = 0; k < out_depth; ++k) y.at(oy, ox, k) += x.at(iy, ix, c) * row[k];
          }
        }
      }
    }
  }
  return y;
}

// TensorFlow's SAME padding: ceil(in / 2) windows, the smaller half of the padding before.
inline Image max_pool_3x3_stride_2(const Image& x) {
  Image y((x.height + 1) / 2, (x.width + 1) / 2, x.depth);
  const int top = std::max((y.height - 1) * 2 + 3 - x.height, 0) / 2;
  const int left = std::max((y.width - 1) * 2 + 3 - x.width, 0) / 2;
  for (int oy = 0; oy < y.height; ++oy) {
    for (int ox = 0; ox < y.width; ++ox) {
      for (int c = 0; c < x.depth; ++c) {
        double largest = -std::numeric_limits<double>::infinity();
        for (int ky = 0; ky < 3; ++ky) {
          for (int kx = 0; kx < 3; ++kx) {
            const int iy = oy * 2 + ky - top;
            const int ix = ox * 2 + kx - left;
            if (x.has(iy, ix)) largest = std::max(largest, x.at(iy, ix, c));
          }
        }
        y.at(oy, ox, c) = largest;
      }
    }
  }
  return y;
}

}  // namespace narrow
