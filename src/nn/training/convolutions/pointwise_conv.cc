#include "nn/training/convolutions/matrix_product.h"
#include "nn/training/convolutions/training_conv.h"

namespace narrow {
namespace {

class PointwiseConv : public TrainingConv {
 public:
  PointwiseConv(const ConvLayer& layer, const ConvGeometry& geometry)
      : rows_(static_cast<std::int64_t>(geometry.images) * geometry.in_height * geometry.in_width),
        in_(layer.in_depth),
        out_(layer.out_depth) {}

  [[nodiscard]] std::size_t scratch_bytes() const override { return 0; }

  void forward(const float* x, const float* weights, float* y, std::byte*) const override {
    multiply(rows_, out_, in_, {x, in_}, {weights, out_}, {y, out_});
  }
  void backward_data(const float* dy, const float* weights, float* dx, bool add,
                     std::byte*) const override {
    multiply(rows_, in_, out_, {dy, out_}, {weights, out_, true}, {dx, in_, add});
  }
  void backward_weights(const float* x, const float* dy, float* dweights,
                        std::byte*) const override {
    multiply(in_, out_, rows_, {x, in_, true}, {dy, out_}, {dweights, out_});
  }

 private:
  std::int64_t rows_;
  std::int64_t in_;
  std::int64_t out_;
};

}  // namespace

std::unique_ptr<TrainingConv> make_pointwise_conv(const ConvLayer& layer,
                                                  const ConvGeometry& geometry) {
  return std::make_unique<PointwiseConv>(layer, geometry);
}

}  // namespace narrow
