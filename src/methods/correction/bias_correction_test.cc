#include "methods/correction/bias_correction.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>

#include "base/random.h"
#include "graph/testing/small_resnet.h"
#include "methods/correction/output_error.h"
#include "methods/moments/input_moments.h"

namespace narrow {
namespace {

constexpr int kSamples = 4000;

// A 1x1 convolution after batch norm and ReLU, with inputs drawn as the model says.
class BiasCorrection : public testing::Test {
 protected:
  BiasCorrection() : weights_(small_weights(graph_, 3)) {
    model_ = {input_moments(graph_, layers_, weights_).at(layer().name), TapCoverage()};
    // Statistics that belong to the weights, as training leaves them.
    const auto products = estimate_products(layer_values(layer(), weights_), model_);
    for (std::size_t c = 0; c < products.size(); ++c) {
      weights_.values(layer().norm->moving_mean)[c] = static_cast<float>(products[c].mean);
      weights_.values(layer().norm->moving_variance)[c] =
          static_cast<float>(products[c].variance());
    }
    before_ = layer_values(layer(), weights_);
    gamma_ = copy(layer().norm->gamma);
    beta_ = copy(layer().norm->beta);
  }

  // Of the first unit of the network.
  [[nodiscard]] const Layer& layer_of_unit(std::string_view name) const {
    const std::string scope = "resnet_v1_small/block1/unit_1/bottleneck_v1/";
    return *std::ranges::find(layers_, scope + std::string(name), &Layer::name);
  }
  [[nodiscard]] const Layer& layer() const { return layer_of_unit("conv3"); }

  std::vector<float> copy(const std::string& name) {
    const auto values = weights_.values(name);
    return {values.begin(), values.end()};
  }

  void quantize(const std::string& name, int bits) {
    Scheme scheme;
    scheme.bits = bits;
    const auto values = weights_.values(name);
    round_trip(values, scheme, fit(values, scheme), values);
  }

  void correct() {
    correct_moving_statistics(layer(), before_, gamma_, beta_, EstimatedInputs(model_), weights_);
  }

  // Mean and variance over samples of the difference to the outputs before, and of these outputs.
  struct Outputs {
    std::vector<double> shift;
    std::vector<double> spread;  // of the output over that before
  };
  Outputs sample() {
    const LayerValues after = layer_values(layer(), weights_);
    const auto gamma = weights_.values(layer_of_unit("conv2").norm->gamma);
    const auto beta = weights_.values(layer_of_unit("conv2").norm->beta);
    const std::size_t channels = before_.out_channels;
    std::vector<double> sum(channels), sum2(channels), sum_before(channels), sum2_before(channels);
    RandomStream stream(9, "inputs");
    for (int n = 0; n < kSamples; ++n) {
      std::vector<double> y_before = before_.offset;
      std::vector<double> y = after.offset;
      for (std::size_t j = 0; j < before_.in_channels; ++j) {
        const double r = std::max(0.0, beta[j] + gamma[j] * stream.normal());
        for (std::size_t c = 0; c < channels; ++c) {
          y_before[c] += before_.slope[c] * before_.weights[j * channels + c] * r;
          y[c] += after.slope[c] * after.weights[j * channels + c] * r;
        }
      }
      for (std::size_t c = 0; c < channels; ++c) {
        sum[c] += y[c];
        sum2[c] += y[c] * y[c];
        sum_before[c] += y_before[c];
        sum2_before[c] += y_before[c] * y_before[c];
      }
    }
    Outputs outputs;
    for (std::size_t c = 0; c < channels; ++c) {
      outputs.shift.push_back((sum[c] - sum_before[c]) / kSamples);
      const auto variance = [](double s, double s2) {
        return s2 / kSamples - std::pow(s / kSamples, 2);
      };
      outputs.spread.push_back(
          std::sqrt(variance(sum[c], sum2[c]) / variance(sum_before[c], sum2_before[c])));
    }
    return outputs;
  }

  static double size(const std::vector<double>& values) {
    double sum = 0;
    for (const double value : values) sum += value * value;
    return std::sqrt(sum);
  }

  Graph graph_ = small_network(10);
  std::vector<Layer> layers_ = layers(graph_);
  Weights weights_;
  LayerValues before_;
  std::vector<float> gamma_;
  std::vector<float> beta_;
  InputModel model_;
};

TEST_F(BiasCorrection, ShiftsOfTheMeanGoAway) {
  quantize(layer().weights, 2);
  const double without = size(sample().shift);
  correct();
  EXPECT_LT(size(sample().shift), 0.1 * without);
}

TEST_F(BiasCorrection, TheSpreadComesBack) {
  quantize(layer().weights, 2);
  correct();
  for (const double spread : sample().spread) EXPECT_NEAR(spread, 1, 0.05);
}

TEST_F(BiasCorrection, ErrorsOfGammaAndBetaVanish) {
  quantize(layer().norm->gamma, 3);
  quantize(layer().norm->beta, 3);
  const auto with = [&] {
    return estimate_output_error(before_, layer_values(layer(), weights_), model_).relative();
  };
  EXPECT_GT(with(), 0.01);
  correct();
  EXPECT_LT(with(), 1e-6);
}

TEST_F(BiasCorrection, AGammaThatLostItsSignLeavesTheMean) {
  weights_.values(layer().norm->gamma)[1] = -0.5F;
  weights_.values(layer().norm->beta)[1] += 0.25F;
  correct();
  const Outputs outputs = sample();
  EXPECT_LT(outputs.spread[1], 1e-4);
  // What is left of the channel is its mean: beta.
  EXPECT_NEAR(outputs.shift[1], 0, 0.05);
}

TEST(KeepSigns, GammasKeepTheirSign) {
  const std::vector<float> gamma = {0.1F, -0.1F, 0.9F, -1.0F, 0.0F};
  Scheme scheme;
  scheme.kind = SchemeKind::kFixedPoint;
  scheme.bits = 3;
  const TensorGrid grid(gamma, scheme, {"gamma", DType::kFloat32, {5}}, -1);
  std::vector<std::int64_t> codes(gamma.size());
  grid.encode(0, gamma, codes);
  ASSERT_EQ(codes[0], 0);
  keep_signs(grid, gamma, codes);
  std::vector<float> restored(gamma.size());
  grid.decode(0, codes, restored);
  EXPECT_GT(restored[0], 0);
  EXPECT_LT(restored[1], 0);
  EXPECT_GT(restored[2], 0);
  EXPECT_LT(restored[3], 0);
}

TEST(CorrectBiases, LogitsKeepTheirMean) {
  const LayerValues before{2, 2, {1, 2, 3, 4}, {1, 1}, {0, 0}};
  const std::vector<float> weights = {1.5F, 2, 3, 3};
  const InputModel inputs = {{{2, 5}, {1, 2}}, TapCoverage()};
  std::vector<float> biases = {10, 20};
  const LayerValues after{2, 2, weights, {1, 1}, {0, 0}};
  correct_biases(before, after, EstimatedInputs(inputs), biases);
  EXPECT_EQ(biases[0], 9);
  EXPECT_EQ(biases[1], 21);
}

}  // namespace
}  // namespace narrow
