#include "nn/layerwise/input_gram.h"

#include <fmt/format.h>

#include <algorithm>

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

  [[nodiscard]] std::size_t count() const {
    return static_cast<std::size_t>(x_.images) * height_ * width_;
  }

  // Of one patch.
  [[nodiscard]] std::size_t elements() const {
    const auto kernel = static_cast<std::size_t>(geometry_.kernel);
    return kernel * kernel * static_cast<std::size_t>(geometry_.in_channels);
  }

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

void add_patches(const std::vector<float>& patches, std::size_t count, InputGram& gram) {
  for (std::size_t begin = 0; begin < count * gram.size; begin += gram.size) {
    for (std::size_t i = 0; i < gram.size; ++i) gram.mean[i] += patches[begin + i];
  }
  const std::size_t panels = (gram.size + kGramPanel - 1) / kGramPanel;
  parallel_for(panels,
               [&](std::size_t panel) { add_panel(patches, count, panel * kGramPanel, gram); });
}

// From sums in the lower triangle to means in the whole matrix.
void finish(InputGram& gram) {
  for (double& mean : gram.mean) mean /= gram.patches;
  parallel_for(gram.size, [&](std::size_t row) {
    for (std::size_t column = 0; column <= row; ++column) {
      double& value = gram.second[row * gram.size + column];
      value /= gram.patches;
      gram.second[column * gram.size + row] = value;
    }
  });
}

}  // namespace

InputGram input_gram(const Layer& layer, const ActivationBatches& x) {
  InputGram gram;
  std::vector<float> some;
  std::size_t waiting = 0;  // patches in it
  const auto add_waiting = [&] {
    add_patches(some, waiting, gram);
    gram.patches += static_cast<double>(waiting);
    waiting = 0;
  };
  try {
    Activations room;
    for (std::size_t batch = 0; batch < x.size(); ++batch) {
      const Activations& images = x.at(batch, room);
      const Patches patches(
          conv_geometry(layer, static_cast<int>(images.images), images.height, images.width),
          images);
      if (batch == 0) {
        gram.size = patches.elements();
        gram.mean.resize(gram.size);
        gram.second.resize(gram.size * gram.size);
        some.resize(kPatchesAtOnce * gram.size);
      }
      for (std::size_t first = 0; first < patches.count();) {
        const std::size_t count = std::min(kPatchesAtOnce - waiting, patches.count() - first);
        parallel_for(count, [&](std::size_t i) {
          patches.copy(first + i, some.data() + (waiting + i) * gram.size);
        });
        first += count;
        waiting += count;
        if (waiting == kPatchesAtOnce) add_waiting();
      }
    }
    if (waiting > 0) add_waiting();
  } catch (const dnnl::error& error) {
    throw Error(
        ErrorCategory::kUnsupported,
        fmt::format("oneDNN cannot multiply the inputs of {}: {}.", layer.name, error.what()));
  }
  finish(gram);
  return gram;
}

}  // namespace narrow
