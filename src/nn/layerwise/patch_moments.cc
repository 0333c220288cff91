#include "nn/layerwise/patch_moments.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>

#include "base/parallel.h"
#include "narrow/error.h"
#include "nn/onednn_support.h"

namespace narrow {
namespace {

constexpr std::size_t kMostPatches = 4096;
// Rows of the result that one thread makes at a time.
constexpr std::size_t kPatchPanel = 128;

std::size_t size_at(const Shape& shape, std::size_t axis) {
  return static_cast<std::size_t>(shape.at(axis));
}

const float* floats(const GraphArray& array) {
  return reinterpret_cast<const float*>(array.bytes.data());
}

// Where the elements of patches lie in an image of a convolution, as one of two axes.
struct Plane {
  std::size_t height = 1;
  std::size_t width = 1;
  std::size_t out_height = 1;
  std::size_t out_width = 1;
  std::int64_t kernel_width = 1;
  std::array<std::int64_t, 2> stride = {1, 1};
  std::array<std::int64_t, 2> dilation = {1, 1};
  std::array<std::int64_t, 2> before = {0, 0};
};

Plane plane_of(const Window& window, const Shape& x) {
  Plane plane;
  const std::size_t missing = 2 - window.rank();
  for (std::size_t axis = 0; axis < window.rank(); ++axis) {
    const WindowPlaces places = window_places(window, axis, x.at(axis + 2));
    const std::size_t to = axis + missing;
    (to == 0 ? plane.height : plane.width) = size_at(x, axis + 2);
    (to == 0 ? plane.out_height : plane.out_width) = static_cast<std::size_t>(places.count);
    plane.stride[to] = window.strides[axis];
    plane.dilation[to] = window.dilations[axis];
    plane.before[to] = places.before;
    if (to == 1) plane.kernel_width = window.kernel[axis];
  }
  return plane;
}

// One tap of the patches of one channel of one image.
void copy_tap(const Plane& plane, const float* channel, std::size_t tap, float* to) {
  const auto down = static_cast<std::int64_t>(tap) / plane.kernel_width * plane.dilation[0];
  const auto right = static_cast<std::int64_t>(tap) % plane.kernel_width * plane.dilation[1];
  const auto width = static_cast<std::int64_t>(plane.width);
  const std::int64_t stride = plane.stride[1];
  // Columns first .. last - 1 of the result meet the image.
  const std::int64_t outside = plane.before[1] - right;  // columns of the image left of it
  const auto count = static_cast<std::int64_t>(plane.out_width);
  const std::int64_t first =
      std::clamp<std::int64_t>(outside > 0 ? (outside + stride - 1) / stride : 0, 0, count);
  const std::int64_t last = std::clamp<std::int64_t>(
      width + outside > 0 ? (width + outside + stride - 1) / stride : 0, first, count);
  for (std::size_t row = 0; row < plane.out_height; ++row) {
    const std::int64_t y =
        static_cast<std::int64_t>(row) * plane.stride[0] - plane.before[0] + down;
    const bool has_row = y >= 0 && y < static_cast<std::int64_t>(plane.height);
    if (!has_row) {
      to = std::fill_n(to, plane.out_width, 0.0F);
      continue;
    }
    const float* const line = channel + y * width;
    to = std::fill_n(to, first, 0.0F);
    if (stride == 1) {
      to = std::copy_n(line + (first - outside), last - first, to);
    } else {
      for (std::int64_t i = first; i < last; ++i) *to++ = line[i * stride - outside];
    }
    to = std::fill_n(to, count - last, 0.0F);
  }
}

// Patches as columns of a matrix, the wanted products below them.
class PatchMatrix {
 public:
  PatchMatrix(const LinearLayer& layer, const GraphArray& x, const GraphArray& t)
      : layer_(layer), x_(x), t_(t), is_convolution_(layer.is_convolution()) {
    const std::size_t inputs = layer.in_channels();
    if (is_convolution_) {
      plane_ = plane_of(layer.window, x.shape);
      entries_ = size_at(x.shape, 0);
      patches_ = plane_.out_height * plane_.out_width;
    } else {
      entries_ = x.bytes.size() / sizeof(float) / inputs;
      patches_ = 1;
    }
    const std::size_t values = entries_ * inputs * plane_.height * plane_.width;
    const std::size_t products = entries_ * layer.out_channels * patches_;
    if (x.type == DType::kFloat32 && t.type == DType::kFloat32 &&
        x.bytes.size() == values * sizeof(float) && t.bytes.size() == products * sizeof(float)) {
      return;
    }
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{} takes {} and makes {}, which are no patches of float32 values",
                            layer.name, to_string(x.shape), to_string(t.shape)));
  }

  // Images, or rows of a matrix.
  [[nodiscard]] std::size_t entries() const { return entries_; }
  [[nodiscard]] std::size_t patches_of_entry() const { return patches_; }

  // Row `row` of the matrix of a group for `count` entries: an element of the patches or, behind
  // them, an output channel.
  void copy_row(std::size_t group, std::size_t row, std::size_t first, std::size_t count,
                float* to) const {
    const std::size_t size = layer_.columns;
    const std::size_t outputs = layer_.out_channels / layer_.groups;
    for (std::size_t entry = first; entry < first + count; ++entry, to += patches_) {
      if (row >= size) {
        const std::size_t channel = group * outputs + row - size;
        std::copy_n(floats(t_) + (entry * layer_.out_channels + channel) * patches_, patches_, to);
      } else if (!is_convolution_) {
        *to = floats(x_)[entry * size + row];
      } else {
        copy_element(group, row, entry, to);
      }
    }
  }

 private:
  void copy_element(std::size_t group, std::size_t row, std::size_t entry, float* to) const {
    const std::size_t taps = layer_.taps();
    const std::size_t channel = group * (layer_.columns / taps) + row / taps;
    const float* const from =
        floats(x_) + (entry * layer_.in_channels() + channel) * plane_.height * plane_.width;
    copy_tap(plane_, from, row % taps, to);
  }

  const LinearLayer& layer_;
  const GraphArray& x_;
  const GraphArray& t_;
  bool is_convolution_;
  Plane plane_;
  std::size_t entries_ = 0;
  std::size_t patches_ = 1;
};

// Adds the products of some rows of `matrix` with all of its rows.
void add_products(const std::vector<float>& matrix, std::size_t count, std::size_t first,
                  std::size_t rows, PatchMoments& moments) {
  const std::size_t all = moments.size + moments.outputs;
  std::vector<float> products(rows * all);
  const auto dim = [](std::size_t n) { return static_cast<dnnl_dim_t>(n); };
  const OneDnnThreads single_threaded(1);
  dnnl::sgemm('N', 'T', dim(rows), dim(all), dim(count), 1.0F, matrix.data() + first * count,
              dim(count), matrix.data(), dim(count), 0.0F, products.data(), dim(all));
  for (std::size_t row = first; row < first + rows; ++row) {
    const float* const from = products.data() + (row - first) * all;
    double* const to = moments.second.data() + row * moments.size;
    for (std::size_t i = 0; i < moments.size; ++i) to[i] += from[i];
    for (std::size_t o = 0; o < moments.outputs; ++o) {
      moments.cross[o * moments.size + row] += from[moments.size + o];
    }
  }
}

// Of all elements, in several sums that a CPU can add up side by side.
template <typename Term>
double sum_of(const float* values, std::size_t count, const Term& term) {
  constexpr std::size_t kSums = 8;
  std::array<double, kSums> sums = {};
  std::size_t i = 0;
  for (; i + kSums <= count; i += kSums) {
    for (std::size_t k = 0; k < kSums; ++k) sums[k] += term(values[i + k]);
  }
  for (std::size_t k = 0; i < count; ++i, ++k) sums[k] += term(values[i]);
  double sum = 0;
  for (const double part : sums) sum += part;
  return sum;
}

void add_sums(const std::vector<float>& matrix, std::size_t count, std::size_t row,
              PatchMoments& moments) {
  const float* const from = matrix.data() + row * count;
  const double sum = sum_of(from, count, [](float value) { return static_cast<double>(value); });
  if (row < moments.size) {
    moments.mean[row] += sum;
    return;
  }
  moments.product_mean[row - moments.size] += sum;
  moments.product_second[row - moments.size] +=
      sum_of(from, count, [](float value) { return static_cast<double>(value) * value; });
}

using Loop = std::function<void(std::size_t, const std::function<void(std::size_t)>&)>;

// Everything of one group; `loop` runs its parts.
void add_group(const PatchMatrix& patches, std::size_t group, const Loop& loop,
               PatchMoments& moments) {
  const std::size_t rows = moments.size + moments.outputs;
  const std::size_t each = patches.patches_of_entry();
  const std::size_t together = std::max<std::size_t>(1, kMostPatches / each);
  std::vector<float> matrix;
  for (std::size_t first = 0; first < patches.entries(); first += together) {
    const std::size_t entries = std::min(together, patches.entries() - first);
    const std::size_t count = entries * each;
    matrix.resize(rows * count);
    loop(rows, [&](std::size_t row) {
      patches.copy_row(group, row, first, entries, matrix.data() + row * count);
      add_sums(matrix, count, row, moments);
    });
    loop((moments.size + kPatchPanel - 1) / kPatchPanel, [&](std::size_t panel) {
      const std::size_t begin = panel * kPatchPanel;
      add_products(matrix, count, begin, std::min(kPatchPanel, moments.size - begin), moments);
    });
    moments.patches += static_cast<double>(count);
  }
}

void run_in_order(std::size_t count, const std::function<void(std::size_t)>& body) {
  for (std::size_t i = 0; i < count; ++i) body(i);
}

}  // namespace

PatchMoments joined_moments(const PatchMoments& a, const PatchMoments& b) {
  PatchMoments all = a;
  all.patches += b.patches;
  if (!(all.patches > 0)) return all;
  const double share = b.patches / all.patches;
  const auto join = [&](std::vector<double>& to, const std::vector<double>& from) {
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = (1 - share) * to[i] + share * from[i];
  };
  join(all.mean, b.mean);
  join(all.second, b.second);
  join(all.product_mean, b.product_mean);
  join(all.product_second, b.product_second);
  join(all.cross, b.cross);
  return all;
}

bool has_patch_moments(const LinearLayer& layer) { return layer.window.rank() <= 2; }

PatchMomentSums::PatchMomentSums(const LinearLayer& layer) : layer_(layer) {
  PatchMoments empty;
  empty.size = layer.columns;
  empty.outputs = layer.out_channels / layer.groups;
  empty.mean.assign(empty.size, 0);
  empty.second.assign(empty.size * empty.size, 0);
  empty.product_mean.assign(empty.outputs, 0);
  empty.product_second.assign(empty.outputs, 0);
  empty.cross.assign(empty.outputs * empty.size, 0);
  groups_.assign(layer.groups, empty);
}

void PatchMomentSums::add(const GraphArray& x, const GraphArray& t) {
  const PatchMatrix patches(layer_, x, t);
  try {
    if (groups_.size() == 1) {
      add_group(patches, 0, parallel_for, groups_.front());
    } else {
      parallel_for(groups_.size(), [&](std::size_t group) {
        add_group(patches, group, run_in_order, groups_[group]);
      });
    }
  } catch (const dnnl::error& error) {
    throw Error(
        ErrorCategory::kUnsupported,
        fmt::format("oneDNN cannot multiply the inputs of {}: {}.", layer_.name, error.what()));
  }
}

std::vector<PatchMoments> PatchMomentSums::take() {
  for (PatchMoments& group : groups_) {
    if (!(group.patches > 0)) continue;
    const auto divide = [&](std::vector<double>& sums) {
      for (double& sum : sums) sum /= group.patches;
    };
    divide(group.mean);
    divide(group.second);
    divide(group.product_mean);
    divide(group.product_second);
    divide(group.cross);
  }
  return std::move(groups_);
}

}  // namespace narrow
