#include "methods/rounding/round_second_order.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "base/parallel.h"
#include "base/random.h"
#include "graph/testing/single_layer.h"
#include "narrow/error.h"
#include "nn/testing/batched_images.h"

namespace narrow {
namespace {

constexpr int kDepth = 16;
constexpr int kOutputs = 40;  // more than one thread takes

Layer layer() { return single_layer("conv", 3, kDepth, kOutputs, 1); }
TensorInfo info() { return {"w", DType::kFloat32, layer().weights_shape}; }

// Inputs that share what they vary by, and are positive: after a ReLU.
Activations correlated_inputs(std::uint64_t seed) {
  RandomStream stream(seed, "inputs");
  Activations x = Activations::zeros(40, 6, 6, kDepth);
  for (std::size_t pixel = 0; pixel < x.values.size(); pixel += kDepth) {
    const double common = stream.normal();
    for (std::size_t i = 0; i < kDepth; ++i) {
      x.values[pixel + i] = static_cast<float>(std::max(0.0, 0.5 + common + 0.7 * stream.normal()));
    }
  }
  return x;
}

std::vector<float> random_weights() {
  RandomStream stream(2, "weights");
  std::vector<float> values(element_count(layer().weights_shape));
  for (float& value : values) value = static_cast<float>(stream.normal());
  return values;
}

struct Rounded {
  std::vector<std::int64_t> codes;
  std::vector<float> restored;
};

// With the grid of `weights`; to the nearest without gram.
Rounded rounded(const std::vector<float>& values, const Scheme& scheme, const InputGram* gram,
                const std::vector<float>& weights = random_weights()) {
  const TensorGrid grid(weights, scheme, info(), -1);
  Rounded result{std::vector<std::int64_t>(values.size()), std::vector<float>(values.size())};
  if (gram != nullptr) {
    round_second_order(grid, info().shape, values, *gram, result.codes);
  } else {
    grid.encode(0, values, result.codes);
  }
  grid.decode(0, result.codes, result.restored);
  return result;
}

// Root of the mean squared difference of the outputs.
double output_error(const std::vector<float>& weights, const std::vector<float>& restored,
                    const Activations& x) {
  const Activations exact = convolve(layer(), weights, x);
  const Activations found = convolve(layer(), restored, x);
  double sum = 0;
  for (std::size_t i = 0; i < exact.values.size(); ++i) {
    sum += std::pow(static_cast<double>(found.values[i]) - exact.values[i], 2);
  }
  return std::sqrt(sum / static_cast<double>(exact.values.size()));
}

TEST(RoundSecondOrder, OutputErrorIsFarBelowThatOfNearest) {
  const Activations x = correlated_inputs(1);
  const Activations unseen = correlated_inputs(7);
  const InputGram gram = input_gram(layer(), *in_memory(x));
  const auto weights = random_weights();
  for (const SchemeKind kind : {SchemeKind::kBin, SchemeKind::kFixedPoint}) {
    for (const int bits : {3, 4, 6}) {
      for (const auto granularity : {Granularity::Kind::kTensor, Granularity::Kind::kChannel}) {
        Scheme scheme;
        scheme.kind = kind;
        scheme.bits = bits;
        scheme.granularity.kind = granularity;
        const auto nearest = rounded(weights, scheme, nullptr).restored;
        const auto second_order = rounded(weights, scheme, &gram).restored;
        EXPECT_LT(output_error(weights, second_order, x), 0.65 * output_error(weights, nearest, x));
        EXPECT_LT(output_error(weights, second_order, unseen),
                  0.65 * output_error(weights, nearest, unseen));
      }
    }
  }
}

TEST(RoundSecondOrder, IndependentInputsAreRoundedToTheNearest) {
  InputGram gram;
  gram.size = 9 * kDepth;
  gram.mean.resize(gram.size);
  gram.second.resize(gram.size * gram.size);
  const auto weights = random_weights();
  const auto nearest = rounded(weights, {}, nullptr).codes;
  EXPECT_EQ(rounded(weights, {}, &gram).codes, nearest);  // no input at all
  for (std::size_t i = 0; i < gram.size; ++i) {
    gram.second[i * (gram.size + 1)] = 1 + static_cast<double>(i);
  }
  EXPECT_EQ(rounded(weights, {}, &gram).codes, nearest);
}

TEST(RoundSecondOrder, ValuesOnTheGridStay) {
  const InputGram gram = input_gram(layer(), *in_memory(correlated_inputs(1)));
  const auto restored = rounded(random_weights(), {}, nullptr).restored;
  EXPECT_EQ(rounded(restored, {}, &gram).restored, restored);
}

TEST(RoundSecondOrder, ThreadsDoNotMatter) {
  const InputGram gram = input_gram(layer(), *in_memory(correlated_inputs(1)));
  const auto weights = random_weights();
  Scheme scheme;
  scheme.bits = 3;
  const auto with = [&](int threads) {
    const ThreadLimit limit(threads);
    return rounded(weights, scheme, &gram).codes;
  };
  const auto expected = with(1);
  EXPECT_EQ(with(2), expected);
  EXPECT_EQ(with(5), expected);
}

TEST(RoundSecondOrder, InfiniteInputsAreRefused) {
  InputGram gram = input_gram(layer(), *in_memory(correlated_inputs(1)));
  gram.second[0] = std::numeric_limits<double>::infinity();
  EXPECT_THROW(rounded(random_weights(), {}, &gram), Error);
}

}  // namespace
}  // namespace narrow
