#include "nn/layerwise/patch_moments.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>

#include "base/parallel.h"
#include "narrow/error.h"
#include "nn/onednn_support.h"

namespace narrow {
namespace {

constexpr std::size_t kMostPatches = 4096;
// Neighbours in an image tell little more than half of them do: of larger results some rows count.
constexpr std::size_t kMostPatchesOfImage = 256;
constexpr std::size_t kRowPlaces = 16;
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

// Rows of the result of an image, in their order: all of them, or some that are spread evenly, at
// other places in each of kRowPlaces images.
std::vector<std::size_t> chosen_rows(const Plane& plane, std::size_t image) {
  const std::size_t most =
      std::max<std::size_t>(1, kMostPatchesOfImage / std::max<std::size_t>(1, plane.out_width));
  const std::size_t count = std::min(plane.out_height, most);
  const std::size_t place = count < plane.out_height ? image % kRowPlaces : 0;
  std::vector<std::size_t> rows;
  for (std::size_t i = 0; i < count; ++i) {
    rows.push_back((i * kRowPlaces + place) * plane.out_height / (count * kRowPlaces));
  }
  return rows;
}

// One tap of the patches in these rows of one channel of one image.
void copy_tap(const Plane& plane, std::span<const std::size_t> rows, const float* channel,
              std::size_t tap, float* to) {
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
  for (const std::size_t row : rows) {
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
    } else {
      entries_ = x.bytes.size() / sizeof(float) / inputs;
    }
    for (std::size_t image = 0; image < kRowPlaces; ++image) {
      rows_.push_back(chosen_rows(plane_, image));
    }
    patches_ = rows_.front().size() * plane_.out_width;
    const std::size_t values = entries_ * inputs * plane_.height * plane_.width;
    const std::size_t products =
        entries_ * layer.out_channels * plane_.out_height * plane_.out_width;
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
        copy_product(entry * layer_.out_channels + channel, rows_of(entry), to);
      } else if (!is_convolution_) {
        *to = floats(x_)[entry * size + row];
      } else {
        copy_element(group, row, entry, to);
      }
    }
  }

 private:
  [[nodiscard]] std::span<const std::size_t> rows_of(std::size_t entry) const {
    return rows_[entry % kRowPlaces];
  }
  void copy_product(std::size_t plane, std::span<const std::size_t> rows, float* to) const {
    const std::size_t width = plane_.out_width;
    const float* const from = floats(t_) + plane * plane_.out_height * width;
    for (const std::size_t row : rows) to = std::copy_n(from + row * width, width, to);
  }
  void copy_element(std::size_t group, std::size_t row, std::size_t entry, float* to) const {
    const std::size_t taps = layer_.taps();
    const std::size_t channel = group * (layer_.columns / taps) + row / taps;
    const float* const from =
        floats(x_) + (entry * layer_.in_channels() + channel) * plane_.height * plane_.width;
    copy_tap(plane_, rows_of(entry), from, row % taps, to);
  }

  const LinearLayer& layer_;
  const GraphArray& x_;
  const GraphArray& t_;
  bool is_convolution_;
  Plane plane_;
  std::size_t entries_ = 0;
  std::vector<std::vector<std::size_t>> rows_;  // by place
  std::size_t patches_ = 1;                     // of an entry
};

// Adds the products of some rows of `matrix` with themselves and all rows after them: second
// moments above their diagonal, and all of the cross ones.
void add_products(const std::vector<float>& matrix, std::size_t count, std::size_t first,
                  std::size_t rows, PatchMoments& moments) {
  const std::size_t others = moments.size + moments.outputs - first;
  std::vector<float> products(rows * others);
  const auto dim = [](std::size_t n) { return static_cast<dnnl_dim_t>(n); };
  const float* const from_first = matrix.data() + first * count;
  const OneDnnThreads single_threaded(1);
  dnnl::sgemm('N', 'T', dim(rows), dim(others), dim(count), 1.0F, from_first, dim(count),
              from_first, dim(count), 0.0F, products.data(), dim(others));
  for (std::size_t row = first; row < first + rows; ++row) {
    const float* const from = products.data() + (row - first) * others;
    double* const to = moments.second.data() + row * moments.size;
    for (std::size_t i = row; i < moments.size; ++i) to[i] += from[i - first];
    for (std::size_t o = 0; o < moments.outputs; ++o) {
      moments.cross[o * moments.size + row] += from[moments.size - first + o];
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

void add_to(std::span<const double> from, std::span<double> to) {
  for (std::size_t i = 0; i < to.size(); ++i) to[i] += from[i];
}

// All sums, of the second moments those from the diagonal on.
template <typename Groups>
auto moment_parts(Groups& groups) {
  std::vector<decltype(std::span(groups.front().mean))> parts;
  for (auto& group : groups) {
    for (auto* const sums : {&group.mean, &group.product_mean, &group.product_second}) {
      parts.emplace_back(*sums);
    }
    for (std::size_t row = 0; row < group.size; ++row) {
      parts.push_back(std::span(group.second).subspan(row * group.size + row, group.size - row));
    }
    for (std::size_t o = 0; o < group.outputs; ++o) {
      parts.push_back(std::span(group.cross).subspan(o * group.size, group.size));
    }
  }
  return parts;
}

void run_in_order(std::size_t count, const std::function<void(std::size_t)>& body) {
  for (std::size_t i = 0; i < count; ++i) body(i);
}

}  // namespace

MomentsView::MomentsView(const PatchMoments& moments)
    : size(moments.size),
      outputs(moments.outputs),
      mean(moments.mean),
      second(moments.second),
      product_mean(moments.product_mean),
      product_second(moments.product_second),
      cross(moments.cross) {}

PatchMoments joined_moments(PatchMoments a, const PatchMoments& b) {
  a.patches += b.patches;
  if (!(a.patches > 0)) return a;
  const double share = b.patches / a.patches;
  const auto join = [&](std::vector<double>& to, const std::vector<double>& from) {
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = (1 - share) * to[i] + share * from[i];
  };
  join(a.mean, b.mean);
  join(a.second, b.second);
  join(a.product_mean, b.product_mean);
  join(a.product_second, b.product_second);
  join(a.cross, b.cross);
  return a;
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

void PatchMomentSums::merge(const PatchMomentSums& other) {
  const auto from = moment_parts(other.groups_);
  const auto to = moment_parts(groups_);
  parallel_for(to.size(), [&](std::size_t i) { add_to(from[i], to[i]); });
  for (std::size_t group = 0; group < groups_.size(); ++group) {
    groups_[group].patches += other.groups_[group].patches;
  }
}

void PatchMomentSums::put(ByteRecord& record) const {
  for (const PatchMoments& group : groups_) record.put(group.patches);
  for (const auto part : moment_parts(groups_)) record.put_bytes(std::as_bytes(part));
}

void PatchMomentSums::set(ByteRecordReader& reader) {
  for (PatchMoments& group : groups_) group.patches = reader.take<double>();
  for (const auto part : moment_parts(groups_)) {
    const auto bytes = reader.take_bytes(part.size_bytes());
    std::memcpy(part.data(), bytes.data(), bytes.size());
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
    for (std::size_t row = 0; row < group.size; ++row) {
      for (std::size_t i = 0; i < row; ++i) {
        group.second[row * group.size + i] = group.second[i * group.size + row];
      }
    }
    divide(group.product_mean);
    divide(group.product_second);
    divide(group.cross);
  }
  return std::move(groups_);
}

}  // namespace narrow
