#include <algorithm>

#include "nn/onednn_support.h"
#include "nn/training/convolutions/training_conv.h"
#include "nn/training/kernels/depthwise_kernels.h"

namespace narrow {
namespace {

using training_kernels::depthwise_kernels;
using training_kernels::TapSum;

// The images are cut into so many parts at most for the gradient of the weights, whatever the
// number of threads is; each has a sum of its own.
constexpr int kMostParts = 32;

// Of one axis: taps first, first + step, ... that meet `place`, and the place that the first of
// them meets on the other side.
struct Taps {
  int first = 0;
  int count = 0;
  int met = 0;
};

class DepthwiseConv : public TrainingConv {
 public:
  explicit DepthwiseConv(const WindowConv& conv)
      : conv_(conv), parts_(std::min(conv.images, kMostParts)) {}

  // For the sums of all parts.
  [[nodiscard]] std::size_t scratch_bytes() const override {
    return static_cast<std::size_t>(parts_) * weight_count() * sizeof(float);
  }

  void forward(const float* x, const float* weights, float* y, std::byte*) const override {
    const std::ptrdiff_t channels = conv_.in_channels;
    for_each_row(conv_.out, [&](int image, int row) {
      const Taps rows = taps_of_output(0, row);
      float* to =
          y + (static_cast<std::ptrdiff_t>(image) * conv_.out[0] + row) * conv_.out[1] * channels;
      for (int column = 0; column < conv_.out[1]; ++column, to += channels) {
        const Taps columns = taps_of_output(1, column);
        TapSum sum = sum_of(rows, columns, weights, to);
        sum.x = x + pixel(conv_.in, image, rows.met, columns.met);
        sum.x_row_step = conv_.in[1] * channels;
        sum.x_column_step = channels;
        depthwise_kernels().sum_taps(sum);
      }
    });
  }

  void backward_data(const float* dy, const float* weights, float* dx, bool /*add*/,
                     std::byte*) const override {
    const std::ptrdiff_t channels = conv_.in_channels;
    for_each_row(conv_.in, [&](int image, int row) {
      const Taps rows = taps_of_input(0, row);
      float* to =
          dx + (static_cast<std::ptrdiff_t>(image) * conv_.in[0] + row) * conv_.in[1] * channels;
      for (int column = 0; column < conv_.in[1]; ++column, to += channels) {
        const Taps columns = taps_of_input(1, column);
        TapSum sum = sum_of(rows, columns, weights, to);
        // The next tap meets the output before.
        sum.weights_row_step *= conv_.strides[0];
        sum.weights_column_step *= conv_.strides[1];
        sum.x = dy + pixel(conv_.out, image, rows.met, columns.met);
        sum.x_row_step = -conv_.out[1] * channels;
        sum.x_column_step = -channels;
        depthwise_kernels().sum_taps(sum);
      }
    });
  }

  void backward_weights(const float* x, const float* dy, float* dweights,
                        std::byte* scratch) const override {
    auto* sums = reinterpret_cast<float*>(scratch);
    onednn_parallel_for(parts_, [&](int part) {
      float* sum = sums + static_cast<std::size_t>(part) * weight_count();
      std::fill_n(sum, weight_count(), 0.0F);
      const auto bound = [&](int index) {
        return static_cast<int>(static_cast<std::int64_t>(conv_.images) * index / parts_);
      };
      for (int image = bound(part); image < bound(part + 1); ++image) {
        add_image(x, dy, image, sum);
      }
    });
    for (std::size_t i = 0; i < weight_count(); ++i) {
      double total = 0;
      for (int part = 0; part < parts_; ++part) {
        total += static_cast<double>(sums[static_cast<std::size_t>(part) * weight_count() + i]);
      }
      dweights[i] = static_cast<float>(total);
    }
  }

 private:
  [[nodiscard]] std::size_t weight_count() const {
    return static_cast<std::size_t>(conv_.kernel[0]) * static_cast<std::size_t>(conv_.kernel[1]) *
           static_cast<std::size_t>(conv_.in_channels);
  }

  [[nodiscard]] std::ptrdiff_t pixel(const std::array<int, 2>& size, int image, int row,
                                     int column) const {
    const std::ptrdiff_t line = static_cast<std::ptrdiff_t>(image) * size[0] + row;
    return (line * size[1] + column) * conv_.in_channels;
  }

  // With weights and result in their places.
  [[nodiscard]] TapSum sum_of(const Taps& rows, const Taps& columns, const float* weights,
                              float* y) const {
    const std::ptrdiff_t channels = conv_.in_channels;
    TapSum sum;
    sum.weights_row_step = conv_.kernel[1] * channels;
    sum.weights_column_step = channels;
    sum.weights = weights + rows.first * sum.weights_row_step + columns.first * channels;
    sum.rows = rows.count;
    sum.columns = columns.count;
    sum.channels = static_cast<std::size_t>(channels);
    sum.y = y;
    return sum;
  }

  // Taps of the window of an output that meet the image.
  [[nodiscard]] Taps taps_of_output(std::size_t axis, int place) const {
    const int begin = place * conv_.strides[axis] - conv_.before[axis];
    const int first = std::max(-begin, 0);
    const int last = std::min(conv_.kernel[axis], conv_.in[axis] - begin);
    return {first, std::max(last - first, 0), begin + first};
  }

  // Taps with which outputs see a place of the image: every stride-th.
  [[nodiscard]] Taps taps_of_input(std::size_t axis, int place) const {
    const int stride = conv_.strides[axis];
    const int reach = place + conv_.before[axis];
    // The first tap whose output is not past the last one.
    int first = std::max(reach - (conv_.out[axis] - 1) * stride, 0);
    first += (reach - first) % stride;
    const int last = std::min(conv_.kernel[axis] - 1, reach);
    return {first, last < first ? 0 : (last - first) / stride + 1, (reach - first) / stride};
  }

  void add_image(const float* x, const float* dy, int image, float* sum) const {
    const auto channels = static_cast<std::size_t>(conv_.in_channels);
    for (int row = 0; row < conv_.out[0]; ++row) {
      const Taps rows = taps_of_output(0, row);
      for (int i = 0; i < rows.count; ++i) {
        for (int tap = 0; tap < conv_.kernel[1]; ++tap) {
          const Taps outputs = outputs_of_column_tap(tap);
          if (outputs.count == 0) continue;
          depthwise_kernels().add_products(
              x + pixel(conv_.in, image, rows.met + i, outputs.met),
              static_cast<std::size_t>(conv_.strides[1]) * channels,
              dy + pixel(conv_.out, image, row, outputs.first), channels,
              static_cast<std::size_t>(outputs.count), channels,
              sum + static_cast<std::size_t>((rows.first + i) * conv_.kernel[1] + tap) * channels);
        }
      }
    }
  }

  // Outputs of a row whose tap meets the image, and the column that the first of them meets.
  [[nodiscard]] Taps outputs_of_column_tap(int tap) const {
    const int stride = conv_.strides[1];
    const int shift = tap - conv_.before[1];
    const int first = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
    const int room = conv_.in[1] - 1 - shift;
    const int last = room < 0 ? -1 : std::min(conv_.out[1] - 1, room / stride);
    return {first, std::max(last - first + 1, 0), first * stride + shift};
  }

  template <typename Body>
  void for_each_row(const std::array<int, 2>& size, const Body& body) const {
    onednn_parallel_for(conv_.images * size[0],
                        [&](int line) { body(line / size[0], line % size[0]); });
  }

  WindowConv conv_;
  int parts_;
};

}  // namespace

std::unique_ptr<TrainingConv> make_depthwise_conv(const WindowConv& conv) {
  return std::make_unique<DepthwiseConv>(conv);
}

}  // namespace narrow
