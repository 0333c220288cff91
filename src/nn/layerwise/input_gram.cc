#include "nn/layerwise/input_gram.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "base/parallel.h"
#include "narrow/error.h"
#include "nn/conv_geometry.h"
#include "nn/onednn_support.h"

namespace narrow {
namespace {

constexpr std::size_t kPatchesAtOnce = 1024;
// Columns of the result that one thread makes at a time.
constexpr std::size_t kGramPanel = 192;

class Patches {
 public:
  Patches(const ConvGeometry& geometry, const Activations& x)
      : geometry_(geometry),
        x_(x),
        height_(static_cast<std::size_t>(geometry.out_height)),
        width_(static_cast<std::size_t>(geometry.out_width)) {}

  [[nodiscard]] std::size_t of_image() const { return height_ * width_; }

  // Writes patch `index`.
  void copy(std::size_t index, float* to) const {
    const std::size_t image = index / (height_ * width_);
    const int kernel = geometry_.kernel;
    const int top =
        static_cast<int>(index / width_ % height_) * geometry_.stride - geometry_.padding();
    const int left = static_cast<int>(index % width_) * geometry_.stride - geometry_.padding();
    const auto channels = static_cast<std::size_t>(x_.channels);
    const float* const from = x_.values.data() + image * x_.floats_per_image();
    for (int row = top; row < top + kernel; ++row) {
      for (int column = left; column < left + kernel; ++column, to += channels) {
        const bool inside = row >= 0 && row < x_.height && column >= 0 && column < x_.width;
        if (inside) {
          std::copy_n(from + (static_cast<std::size_t>(row) * x_.width + column) * channels,
                      channels, to);
        } else {
          std::fill_n(to, channels, 0.0F);
        }
      }
    }
  }

 private:
  ConvGeometry geometry_;
  const Activations& x_;
  std::size_t height_;
  std::size_t width_;
};

// Adds the products of columns [first, first + kGramPanel) of `count` patches with all columns up
// to the panel's last one: the lower triangle.
void add_panel(const std::vector<float>& patches, std::size_t count, std::size_t first,
               InputGram& gram) {
  const std::size_t size = gram.size;
  const std::size_t rows = std::min(kGramPanel, size - first);
  const std::size_t columns = first + rows;
  std::vector<float> products(rows * columns);
  const auto dim = [](std::size_t n) { return static_cast<dnnl_dim_t>(n); };
  const OneDnnThreads single_threaded(1);
  dnnl::sgemm('T', 'N', dim(rows), dim(columns), dim(count), 1.0F, patches.data() + first,
              dim(size), patches.data(), dim(size), 0.0F, products.data(), dim(columns));
  for (std::size_t row = 0; row < rows; ++row) {
    double* const to = gram.second.data() + (first + row) * size;
    const float* const from = products.data() + row * columns;
    for (std::size_t column = 0; column <= first + row; ++column) to[column] += from[column];
  }
}

}  // namespace

InputGramSums::InputGramSums(const Layer& layer) : layer_(layer) {
  gram_.size = element_count(layer.weights_shape) / static_cast<std::size_t>(layer.out_channels);
  gram_.mean.resize(gram_.size);
  gram_.second.resize(gram_.size * gram_.size);
}

void InputGramSums::add_patches(std::size_t count) {
  for (std::size_t begin = 0; begin < count * gram_.size; begin += gram_.size) {
    for (std::size_t i = 0; i < gram_.size; ++i) gram_.mean[i] += patches_[begin + i];
  }
  const std::size_t panels = (gram_.size + kGramPanel - 1) / kGramPanel;
  parallel_for(panels,
               [&](std::size_t panel) { add_panel(patches_, count, panel * kGramPanel, gram_); });
  gram_.patches += static_cast<double>(count);
}

void InputGramSums::add(const ActivationBatches& x, std::int64_t first, std::int64_t count) {
  patches_.resize(kPatchesAtOnce * gram_.size);
  std::size_t waiting = 0;
  try {
    Activations room;
    for (std::size_t batch = 0; batch < x.size() && count > 0; ++batch) {
      const std::int64_t held = x.images(batch);
      if (first >= held) {
        first -= held;
        continue;
      }
      const Activations& images = x.at(batch, room);
      const Patches patches(
          conv_geometry(layer_, static_cast<int>(held), images.height, images.width), images);
      const std::int64_t end = std::min(first + count, held);
      for (std::size_t next = patches.of_image() * static_cast<std::size_t>(first);
           next < patches.of_image() * static_cast<std::size_t>(end);) {
        const std::size_t some = std::min(
            kPatchesAtOnce - waiting, patches.of_image() * static_cast<std::size_t>(end) - next);
        parallel_for(some, [&](std::size_t i) {
          patches.copy(next + i, patches_.data() + (waiting + i) * gram_.size);
        });
        next += some;
        waiting += some;
        if (waiting == kPatchesAtOnce) add_patches(std::exchange(waiting, 0));
      }
      count -= end - first;
      first = 0;
    }
    if (waiting > 0) add_patches(waiting);
  } catch (const dnnl::error& error) {
    throw Error(
        ErrorCategory::kUnsupported,
        fmt::format("oneDNN cannot multiply the inputs of {}: {}.", layer_.name, error.what()));
  }
}

void InputGramSums::merge(const InputGramSums& next) {
  gram_.patches += next.gram_.patches;
  for (std::size_t i = 0; i < gram_.size; ++i) gram_.mean[i] += next.gram_.mean[i];
  parallel_for(gram_.size, [&](std::size_t row) {
    const std::size_t begin = row * gram_.size;
    for (std::size_t i = begin; i <= begin + row; ++i) gram_.second[i] += next.gram_.second[i];
  });
}

void InputGramSums::put(ByteRecord& record) const {
  record.put(gram_.patches);
  record.put_bytes(std::as_bytes(std::span(gram_.mean)));
  for (std::size_t row = 0; row < gram_.size; ++row) {
    record.put_bytes(std::as_bytes(std::span(gram_.second).subspan(row * gram_.size, row + 1)));
  }
}

void InputGramSums::set(ByteRecordReader& reader) {
  const auto fill = [&](std::span<double> sums) {
    std::ranges::copy(reader.take_bytes(sums.size_bytes()), std::as_writable_bytes(sums).begin());
  };
  gram_.patches = reader.take<double>();
  fill(gram_.mean);
  for (std::size_t row = 0; row < gram_.size; ++row) {
    fill(std::span(gram_.second).subspan(row * gram_.size, row + 1));
  }
}

InputGram InputGramSums::take() {
  for (double& mean : gram_.mean) mean /= gram_.patches;
  parallel_for(gram_.size, [&](std::size_t row) {
    for (std::size_t column = 0; column <= row; ++column) {
      double& value = gram_.second[row * gram_.size + column];
      value /= gram_.patches;
      gram_.second[column * gram_.size + row] = value;
    }
  });
  return std::move(gram_);
}

}  // namespace narrow
