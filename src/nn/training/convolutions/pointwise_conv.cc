#include "nn/training/convolutions/matrix_product.h"
#include "nn/training/convolutions/training_conv.h"

namespace narrow {
namespace {

class PointwiseConv : public TrainingConv {
 public:
  explicit PointwiseConv(const ConvGeometry& geometry)
      : rows_(static_cast<std::int64_t>(geometry.images) * geometry.in_height * geometry.in_width),
        in_(geometry.in_channels),
        out_(geometry.out_channels),
        weight_gradient_(in_, out_, rows_) {}

  [[nodiscard]] std::size_t scratch_bytes() const override {
    return weight_gradient_.scratch_bytes();
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
    weight_gradient_.run({x, in_, true}, {dy, out_}, dweights, scratch);
  }

 private:
  std::int64_t rows_;
  std::int64_t in_;
  std::int64_t out_;
  LongProduct weight_gradient_;
};

}  // namespace

std::unique_ptr<TrainingConv> make_pointwise_conv(const ConvGeometry& geometry) {
  return std::make_unique<PointwiseConv>(geometry);
}

}  // namespace narrow
