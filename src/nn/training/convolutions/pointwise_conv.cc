#include <algorithm>

#include "nn/onednn_support.h"
#include "nn/training/convolutions/matrix_product.h"
#include "nn/training/convolutions/training_conv.h"

namespace narrow {
namespace {

// oneDNN's products for AVX2 read the transposed factor with strides that leave most of the cache
// unused. The gradient of the weights goes better over copies of a few rows, whose distance is no
// power of two, each thread with its share of the rows and its own sum. That takes enough rows, and
// sums that stay in the cache.
constexpr std::int64_t kRowsAtOnce = 256;
constexpr std::int64_t kPadding = 16;
constexpr std::int64_t kLargestSum = std::int64_t{1} << 19;
constexpr std::int64_t kAddedAtOnce = 16384;

class PointwiseConv : public TrainingConv {
 public:
  explicit PointwiseConv(const ConvGeometry& geometry)
      : rows_(static_cast<std::int64_t>(geometry.images) * geometry.in_height * geometry.in_width),
        in_(geometry.in_channels),
        out_(geometry.out_channels) {
    const int threads = onednn_threads();
    if (!has_avx512() && rows_ >= threads * kRowsAtOnce && in_ * out_ <= kLargestSum) {
      parts_ = threads;
    }
  }

  // For the sums of all parts but the first, then the copied rows of each.
  [[nodiscard]] std::size_t scratch_bytes() const override {
    if (parts_ == 0) return 0;
    return static_cast<std::size_t>((parts_ - 1) * in_ * out_ +
                                    parts_ * kRowsAtOnce * copied_step()) *
           sizeof(float);
  }

  [[nodiscard]] bool can_add() const override { return true; }

  void forward(const float* x, const float* weights, float* y, std::byte*) const override {
    multiply(rows_, out_, in_, {x, in_}, {weights, out_}, {y, out_});
  }
  void backward_data(const float* dy, const float* weights, float* dx, bool add,
                     std::byte*) const override {
    multiply(rows_, in_, out_, {dy, out_}, {weights, out_, true}, {dx, in_, add});
  }
  void backward_weights(const float* x, const float* dy, float* dweights,
                        std::byte* scratch) const override {
    if (parts_ == 0) {
      multiply(in_, out_, rows_, {x, in_, true}, {dy, out_}, {dweights, out_});
      return;
    }
    auto* sums = reinterpret_cast<float*>(scratch);
    float* copies = sums + (parts_ - 1) * in_ * out_;
    onednn_parallel_for(parts_, [&](int part) {
      add_products(x, dy, part, copies + part * kRowsAtOnce * copied_step(),
                   part == 0 ? dweights : sums + (part - 1) * in_ * out_);
    });
    add_sums(sums, dweights);
  }

 private:
  [[nodiscard]] std::int64_t copied_step() const { return in_ + kPadding; }

  // The products of one part's rows, of a few at a time.
  void add_products(const float* x, const float* dy, int part, float* copy, float* sum) const {
    const std::int64_t begin = rows_ * part / parts_;
    const std::int64_t end = rows_ * (part + 1) / parts_;
    for (std::int64_t first = begin; first < end; first += kRowsAtOnce) {
      const std::int64_t count = std::min(kRowsAtOnce, end - first);
      for (std::int64_t row = 0; row < count; ++row) {
        std::copy_n(x + (first + row) * in_, in_, copy + row * copied_step());
      }
      multiply(in_, out_, count, {copy, copied_step(), true}, {dy + first * out_, out_},
               {sum, out_, first > begin});
    }
  }

  void add_sums(const float* sums, float* dweights) const {
    const std::int64_t size = in_ * out_;
    onednn_parallel_for(static_cast<int>((size + kAddedAtOnce - 1) / kAddedAtOnce), [&](int piece) {
      const std::int64_t last = std::min((piece + 1) * kAddedAtOnce, size);
      for (int part = 1; part < parts_; ++part) {
        const float* sum = sums + (part - 1) * size;
        for (std::int64_t i = piece * kAddedAtOnce; i < last; ++i) dweights[i] += sum[i];
      }
    });
  }

  std::int64_t rows_;
  std::int64_t in_;
  std::int64_t out_;
  int parts_ = 0;  // 0: one product
};

}  // namespace

std::unique_ptr<TrainingConv> make_pointwise_conv(const ConvGeometry& geometry) {
  return std::make_unique<PointwiseConv>(geometry);
}

}  // namespace narrow
