// Every instruction set that this processor has, against loops in double.
#include "nn/training/kernels/row_kernels.h"

#include <gtest/gtest.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "graph/testing/hashed_values.h"
#include "nn/training/kernels/channel_kernels.h"
#include "nn/training/kernels/depthwise_kernels.h"

namespace narrow::training_kernels {
namespace {

constexpr std::size_t kRows = 7;
constexpr std::size_t kChannels = 37;  // whole vectors of every width, and a rest

std::vector<float> hashed(std::size_t count, std::uint32_t seed) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = static_cast<float>(2 * hashed_uniform(seed + static_cast<std::uint32_t>(i)) - 1);
  }
  return values;
}

class RowKernelsTest : public testing::TestWithParam<std::int64_t> {
 protected:
  RowKernelsTest() {
    hwy::SetSupportedTargetsForTest(GetParam());
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
  ~RowKernelsTest() override {
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }

  [[nodiscard]] double normalized(std::size_t i) const {
    const std::size_t c = i % kChannels;
    return (static_cast<double>(x_[i]) - mean_[c]) * scale_[c] + beta_[c];
  }

  std::vector<float> x_ = hashed(kRows * kChannels, 1);
  std::vector<float> gradient_ = hashed(kRows * kChannels, 1000);
  std::vector<float> mean_ = hashed(kChannels, 2000);
  std::vector<float> scale_ = hashed(kChannels, 3000);
  std::vector<float> beta_ = hashed(kChannels, 4000);
  Affine affine_{mean_.data(), scale_.data(), beta_.data()};
  std::vector<float> sums_ = std::vector<float>(kChannels, 1.0F);
  std::vector<float> other_sums_ = std::vector<float>(kChannels, 2.0F);
};

TEST_P(RowKernelsTest, Moments) {
  row_kernels().add_moments(x_.data(), kRows, kChannels, mean_.data(), sums_.data(),
                            other_sums_.data());
  for (std::size_t c = 0; c < kChannels; ++c) {
    double sum = 1;
    double square = 2;
    for (std::size_t i = c; i < x_.size(); i += kChannels) {
      const double distance = static_cast<double>(x_[i]) - mean_[c];
      sum += distance;
      square += distance * distance;
    }
    EXPECT_NEAR(sums_[c], sum, 1e-5);
    EXPECT_NEAR(other_sums_[c], square, 1e-5);
  }
}

TEST_P(RowKernelsTest, Normalization) {
  const std::vector<float> addend = hashed(2 * kRows * kChannels, 5000);
  for (float& scale : scale_) scale *= 10;
  for (const Activation activation : {Activation::kNone, Activation::kRelu, Activation::kRelu6}) {
    for (const int kind : {0, 1, 2}) {
      std::vector<float> y(x_.size());
      NormalizeArguments arguments{kRows,   kChannels, x_.data(), affine_, activation,
                                   nullptr, 0,         {},        y.data()};
      if (kind > 0) {
        arguments.addend = addend.data();
        arguments.addend_step = 2 * kChannels;
      }
      if (kind > 1) arguments.addend_affine = {beta_.data(), mean_.data(), scale_.data()};
      row_kernels().normalize(arguments);
      for (std::size_t i = 0; i < y.size(); ++i) {
        const std::size_t c = i % kChannels;
        const double added = addend[i / kChannels * 2 * kChannels + c];
        double expected = normalized(i);
        if (kind == 1) expected += added;
        if (kind == 2) expected += (added - beta_[c]) * mean_[c] + scale_[c];
        if (activation != Activation::kNone) expected = std::max(expected, 0.0);
        if (activation == Activation::kRelu6) expected = std::min(expected, 6.0);
        EXPECT_NEAR(y[i], expected, 5e-6);
      }
    }
  }
}

TEST_P(RowKernelsTest, ReluKeepsNaN) {
  for (const std::size_t at : {std::size_t{0}, kChannels - 1}) {
    x_[at] = std::numeric_limits<float>::quiet_NaN();
    std::vector<float> y(x_.size());
    for (const Activation activation : {Activation::kRelu, Activation::kRelu6}) {
      row_kernels().normalize(
          {kRows, kChannels, x_.data(), affine_, activation, nullptr, 0, {}, y.data()});
      EXPECT_TRUE(std::isnan(y[at]));
    }
  }
}

struct MaskCase {
  ActivationMask mask;
  bool is_relu6;
};

TEST_P(RowKernelsTest, GradientSumsAndGradients) {
  for (float& scale : scale_) scale *= 10;
  std::vector<float> y = hashed(x_.size(), 6000);
  for (float& value : y) value *= 12;
  const std::vector<float> b = hashed(kChannels, 7000);
  const std::vector<float> c = hashed(kChannels, 8000);
  for (const auto& [mask, is_relu6] :
       {MaskCase{ActivationMask::kNone, false}, MaskCase{ActivationMask::kInput, false},
        MaskCase{ActivationMask::kOutput, false}, MaskCase{ActivationMask::kInput, true},
        MaskCase{ActivationMask::kOutput, true}}) {
    std::vector<double> masked(x_.size());
    for (std::size_t i = 0; i < x_.size(); ++i) {
      const double seen =
          mask == ActivationMask::kInput ? normalized(i) : static_cast<double>(y[i]);
      const bool passes = mask == ActivationMask::kNone || (seen > 0 && (!is_relu6 || seen < 6));
      masked[i] = passes ? gradient_[i] : 0;
    }
    std::vector<float> gradient = gradient_;
    std::vector<float> sums(kChannels);
    std::vector<float> products(kChannels);
    const NormGradientArguments arguments{kRows,     kChannels, mask,     is_relu6,
                                          x_.data(), affine_,   y.data(), gradient.data()};
    row_kernels().add_norm_gradient_sums(arguments, sums.data(), products.data());
    for (std::size_t k = 0; k < kChannels; ++k) {
      double sum = 0;
      double product = 0;
      for (std::size_t i = k; i < x_.size(); i += kChannels) {
        sum += masked[i];
        product += masked[i] * (static_cast<double>(x_[i]) - mean_[k]);
      }
      EXPECT_NEAR(sums[k], sum, 1e-5);
      EXPECT_NEAR(products[k], product, 1e-5);
    }
    for (const bool batch : {false, true}) {
      std::vector<float> result(x_.size());
      row_kernels().apply_norm_gradient(
          arguments, {scale_.data(), batch ? b.data() : nullptr, batch ? c.data() : nullptr},
          result.data());
      for (std::size_t i = 0; i < x_.size(); ++i) {
        const std::size_t k = i % kChannels;
        double expected = scale_[k] * masked[i];
        if (batch) expected += b[k] * (static_cast<double>(x_[i]) - mean_[k]) + c[k];
        EXPECT_NEAR(result[i], expected, 5e-6);
      }
    }
  }
}

TEST_P(RowKernelsTest, WeightDecay) {
  const std::vector<float> w = hashed(5003, 9000);
  const std::vector<float> before = hashed(5003, 20000);
  double squares = 0;
  for (const float value : w) squares += static_cast<double>(value) * value;
  std::vector<float> gradients = before;
  EXPECT_NEAR(row_kernels().add_weight_decay(w.data(), w.size(), 0.25F, nullptr), squares,
              1e-6 * squares);
  EXPECT_NEAR(row_kernels().add_weight_decay(w.data(), w.size(), 0.25F, gradients.data()), squares,
              1e-6 * squares);
  for (std::size_t i = 0; i < w.size(); ++i) {
    EXPECT_NEAR(gradients[i], before[i] + 0.25 * w[i], 1e-6);
  }
}

// Windows of nine and of four channels, the usual exponent and another.
TEST_P(RowKernelsTest, LocalResponse) {
  struct Case {
    std::size_t before;
    std::size_t after;
    float beta;
  };
  for (const Case& c : {Case{4, 4, 0.75F}, Case{1, 2, 0.5F}, Case{0, 0, 0.75F}}) {
    std::vector<float> y(x_.size());
    LrnArguments arguments{kRows,  kChannels, c.before,  c.after,          0.3F,
                           c.beta, 1.5F,      x_.data(), gradient_.data(), y.data()};
    channel_kernels().lrn(arguments);
    std::vector<float> dx(x_.size());
    arguments.result = dx.data();
    channel_kernels().lrn_backward(arguments);
    // The output with x of one channel replaced, in double.
    const auto output = [&](std::size_t row, std::size_t channel, std::size_t other, double value) {
      const auto at = [&](std::size_t k) {
        return k == other ? value : static_cast<double>(x_[row * kChannels + k]);
      };
      const std::size_t first = channel < c.before ? 0 : channel - c.before;
      double squares = 0;
      for (std::size_t k = first; k <= std::min(channel + c.after, kChannels - 1); ++k) {
        squares += at(k) * at(k);
      }
      return at(channel) / std::pow(1.5 + static_cast<double>(0.3F) * squares, c.beta);
    };
    for (std::size_t i = 0; i < x_.size(); i += 5) {
      const std::size_t row = i / kChannels;
      const std::size_t channel = i % kChannels;
      const double x = x_[i];
      EXPECT_NEAR(y[i], output(row, channel, channel, x), 1e-6);
      constexpr double kStep = 1e-5;
      double slope = 0;
      for (std::size_t k = 0; k < kChannels; ++k) {
        slope += gradient_[row * kChannels + k] *
                 (output(row, k, channel, x + kStep) - output(row, k, channel, x - kStep)) /
                 (2 * kStep);
      }
      EXPECT_NEAR(dx[i], slope, 2e-6);
    }
  }
}

TEST_P(RowKernelsTest, DepthwiseTaps) {
  const std::vector<float> weights = hashed(6 * kChannels, 30000);
  TapSum sum;
  sum.x = x_.data() + 3 * kChannels;
  sum.x_row_step = 2 * kChannels;
  sum.x_column_step = -static_cast<std::ptrdiff_t>(kChannels);
  sum.weights = weights.data();
  sum.weights_row_step = 3 * kChannels;
  sum.weights_column_step = kChannels;
  sum.rows = 2;
  sum.columns = 3;
  sum.channels = kChannels;
  std::vector<float> y(kChannels);
  sum.y = y.data();
  depthwise_kernels().sum_taps(sum);
  depthwise_kernels().add_products(x_.data(), 2 * kChannels, gradient_.data(), kChannels, 3,
                                   kChannels, sums_.data());
  for (std::size_t c = 0; c < kChannels; ++c) {
    double expected = 0;
    for (std::size_t row = 0; row < 2; ++row) {
      for (std::size_t column = 0; column < 3; ++column) {
        expected += static_cast<double>(x_[(3 + 2 * row - column) * kChannels + c]) *
                    weights[(3 * row + column) * kChannels + c];
      }
    }
    EXPECT_NEAR(y[c], expected, 1e-6);
    double product = 1;
    for (std::size_t i = 0; i < 3; ++i) {
      product += static_cast<double>(x_[2 * i * kChannels + c]) * gradient_[i * kChannels + c];
    }
    EXPECT_NEAR(sums_[c], product, 1e-6);
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, RowKernelsTest,
                         testing::ValuesIn(hwy::SupportedAndGeneratedTargets()),
                         [](const auto& test) { return std::string(hwy::TargetName(test.param)); });

}  // namespace
}  // namespace narrow::training_kernels
