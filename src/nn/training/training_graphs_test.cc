// Graphs that are not ResNet V1: their gradients, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "graph/constants.h"
#include "graph/graph_builder.h"
#include "narrow/error.h"
#include "nn/onednn_support.h"
#include "nn/testing/reference_training.h"
#include "nn/testing/thin_slim_networks.h"

namespace narrow {
namespace {

using testing::HasSubstr;

constexpr int kClasses = kThinClasses;

class NetworkBuilder {
 public:
  ValueId images() {
    return builder_.input(
        "images", {Dimension::free("N"), 3, Dimension::free("height"), Dimension::free("width")});
  }
  // A convolution and its batch norm.
  ValueId conv(const std::string& name, ValueId x, int in, int out, const Window& window) {
    return norm(name, builder_.conv(name, x, in, out, window), out);
  }
  ValueId norm(const std::string& name, ValueId x, int channels) {
    return builder_.batch_norm(name + "/norm", x, channels, {.epsilon = 1e-3});
  }
  ValueId rectified(const std::string& name, ValueId x, int in, int out, const Window& window) {
    return relu(name, conv(name, x, in, out, window));
  }
  ValueId relu(const std::string& name, ValueId x) {
    return builder_.add(name + "/relu", op::Relu{}, {x});
  }
  ValueId sum(const std::string& name, ValueId a, ValueId b) {
    return builder_.add(name + "/sum", op::Add{}, {a, b});
  }
  ValueId rectified_sum(const std::string& name, ValueId a, ValueId b) {
    return relu(name, sum(name, a, b));
  }
  ValueId max_pool(const std::string& name, ValueId x, const Window& window) {
    return builder_.add(name, op::MaxPool{window}, {x});
  }
  // The mean over the pixels, and logits.
  ValueId classifier(ValueId x, int channels) {
    const ValueId features = builder_.add("mean", op::GlobalAveragePool{}, {x});
    const ValueId logits =
        builder_.conv_with_bias("logits", features, channels, kClasses, square_window(1, 1));
    return builder_.add("flat", op::Flatten{}, {logits});
  }
  Graph finish(ValueId output) { return builder_.finish({output}); }
  GraphBuilder& plain() { return builder_; }

 private:
  GraphBuilder builder_{"net"};
};

const Window kOne = square_window(1, 1);
const Window kThree = square_window(3, 1, 1);

// A sum with what the layer reads itself; a sum of two layers that read the same.
Graph sums_of_layers() {
  NetworkBuilder b;
  ValueId x = b.rectified("stem", b.images(), 3, 6, kThree);
  x = b.max_pool("pool", x, square_window(2, 2));
  x = b.rectified_sum("second", b.conv("second", x, 6, 6, kThree), x);
  const ValueId left = b.conv("left", x, 6, 9, kThree);
  const ValueId right = b.conv("right", x, 6, 9, kThree);
  return b.finish(b.classifier(b.rectified_sum("both", left, right), 9));
}

// Values that several layers read in every way, so that their gradients are sums; addends of every
// kind; pools of other windows.
Graph branches() {
  NetworkBuilder b;
  ValueId x = b.rectified("stem", b.images(), 3, 5, square_window(3, 2, 1));
  x = b.max_pool("pool", x, {{3, 2}, {2, 1}, {1, 1}, {1, 0, 1, 1}, AutoPad::kNotSet});
  const ValueId sum = b.sum("plain", b.conv("plain", x, 5, 5, kThree), x);
  const ValueId rectified = b.rectified("rectified", sum, 5, 5, kOne);
  x = b.rectified_sum("a", b.conv("a", sum, 5, 5, kThree), rectified);
  x = b.conv("read_twice", x, 5, 8, kThree);
  x = b.rectified_sum("b", x, b.conv("b", x, 8, 8, kOne));
  const ValueId strided = b.conv("strided", x, 8, 8, square_window(1, 2));
  const ValueId down = b.max_pool("down", x, square_window(1, 2));
  x = b.rectified_sum("c", strided, b.conv("c", down, 8, 8, kOne));
  const ValueId every_second = b.max_pool("every_second", x, square_window(1, 2));
  x = b.rectified("d", x, 8, 7, square_window(3, 2, 1));
  x = b.rectified_sum("e", every_second, b.conv("e", x, 7, 8, kThree));
  return b.finish(b.classifier(x, 8));
}

// Layers without anything between them, features without a mean.
Graph chain() {
  NetworkBuilder b;
  ValueId x = b.rectified("first", b.images(), 3, 6, square_window(3, 2, 1));
  x = b.conv("second", x, 6, 8, square_window(5, 4, 2));
  const ValueId logits = b.plain().conv_with_bias("logits", x, 8, kClasses, kOne);
  return b.finish(logits);
}

struct Case {
  const char* name;
  Graph (*graph)();
  int images;
  int height;
  int width;
  BatchNormMode batch_norm;
  float image_scale = 1;
};

void PrintTo(const Case& test_case, std::ostream* out) { *out << test_case.name; }

class TrainingGraphs : public testing::TestWithParam<Case> {
 protected:
  TrainingGraphs()
      : images_(hashed_images(GetParam().images, GetParam().height, GetParam().width)),
        labels_(hashed_labels(GetParam().images, kClasses)) {
    options_.batch_size = GetParam().images;
    options_.height = GetParam().height;
    options_.width = GetParam().width;
    options_.batch_norm = GetParam().batch_norm;
    options_.weight_decay = 0.01;
    for (float& pixel : images_) pixel *= GetParam().image_scale;
    // The first is that of what the images give.
    const auto first =
        std::ranges::find(graph_.weights, WeightRole::kMovingVariance, &Weight::role);
    if (first == graph_.weights.end()) return;
    const float scale = GetParam().image_scale;
    for (float& v : weights_.values(first->name)) v = 4000 * scale * scale;
  }

  Graph graph_ = GetParam().graph();
  Weights weights_ = hashed_weights(graph_);
  std::vector<float> images_;
  std::vector<std::int32_t> labels_;
  TrainingOptions options_;
};

TEST_P(TrainingGraphs, LossAgrees) {
  TrainingNetwork network(graph_, weights_, options_);
  ReferenceTraining reference(graph_, weights_, options_);
  const StepLoss found = network.forward_backward(images_, labels_);
  const ReferenceLoss expected = reference.loss(images_, labels_);
  EXPECT_NEAR(found.cross_entropy, expected.cross_entropy, 2e-5 * expected.cross_entropy);
  EXPECT_NEAR(found.auxiliary, expected.auxiliary, 2e-5 * expected.auxiliary);
  EXPECT_NEAR(found.regularization, expected.regularization, 1e-6 * expected.regularization);
  EXPECT_EQ(found.correct, expected.correct);
}

TEST_P(TrainingGraphs, GradientsAreThoseOfTheLoss) {
  TrainingNetwork network(graph_, weights_, options_);
  ReferenceTraining reference(graph_, weights_, options_);
  expect_gradients_of_the_loss(network, reference, images_, labels_);
}

// What is trained decides what is computed, never its value.
TEST_P(TrainingGraphs, GradientsDoNotDependOnWhatElseIsTrained) {
  TrainingNetwork whole(graph_, weights_, options_);
  whole.forward_backward(images_, labels_);
  for (const TrainedParameter& expected : whole.parameters()) {
    options_.is_trained = [&](const Weight& weight) { return weight == expected.weight; };
    TrainingNetwork network(graph_, weights_, options_);
    int pieces = 0;
    network.forward_backward(images_, labels_, [&](const ParameterPiece&) { ++pieces; });
    EXPECT_EQ(pieces, 1) << expected.weight.name;
    ASSERT_EQ(network.parameters().size(), 1U);
    const std::span<float> found = network.parameters()[0].gradients;
    EXPECT_TRUE(std::equal(found.begin(), found.end(), expected.gradients.begin()))
        << expected.weight.name;
  }
}

// Sizes that pools and strides divide, and others.
INSTANTIATE_TEST_SUITE_P(
    GraphsAndSizes, TrainingGraphs,
    testing::Values(
        Case{"sums_of_layers", sums_of_layers, 4, 8, 12, BatchNormMode::kTrain},
        Case{"sums_of_layers_odd", sums_of_layers, 3, 11, 7, BatchNormMode::kTrain},
        Case{"sums_of_layers_frozen", sums_of_layers, 3, 9, 8, BatchNormMode::kFrozen},
        Case{"branches", branches, 4, 22, 15, BatchNormMode::kTrain},
        Case{"branches_even", branches, 3, 32, 16, BatchNormMode::kTrain},
        Case{"branches_frozen", branches, 3, 25, 14, BatchNormMode::kFrozen},
        Case{"chain", chain, 9, 7, 8, BatchNormMode::kTrain},
        Case{"chain_frozen", chain, 3, 8, 8, BatchNormMode::kFrozen},
        Case{"inception", thin_inception, 4, 15, 15, BatchNormMode::kTrain, 0.02F},
        Case{"inception_frozen", thin_inception, 3, 15, 16, BatchNormMode::kFrozen, 0.02F},
        Case{"mobilenet", thin_mobilenet, 4, 16, 13, BatchNormMode::kTrain, 0.02F},
        Case{"mobilenet_frozen", thin_mobilenet, 3, 14, 16, BatchNormMode::kFrozen, 0.02F},
        Case{"resnet_v2", thin_resnet_v2, 4, 17, 16, BatchNormMode::kTrain, 0.02F},
        Case{"resnet_v2_frozen", thin_resnet_v2, 3, 16, 15, BatchNormMode::kFrozen, 0.02F},
        Case{"cifarnet", thin_cifarnet, 4, 16, 16, BatchNormMode::kTrain, 0.02F},
        Case{"vgg", thin_vgg, 4, 16, 16, BatchNormMode::kTrain, 0.02F}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(TrainingGraphsTest, DropoutIsAFunctionOfSeedAndStep) {
  const std::vector<float> ones(50000, 1.0F);
  const auto dropped = [&](std::uint64_t seed, std::uint64_t step, int threads) {
    const OneDnnThreads limit(threads);
    std::vector<float> y(ones.size());
    drop_values({seed, "dropout", 0.2}, step, ones.data(), ones.size(), y.data());
    return y;
  };
  const std::vector<float> first = dropped(1, 0, 1);
  EXPECT_EQ(dropped(1, 0, 3), first);
  EXPECT_NE(dropped(1, 1, 1), first);
  EXPECT_NE(dropped(2, 0, 1), first);
  const auto kept = std::ranges::count(first, 1.25F);
  EXPECT_EQ(kept + std::ranges::count(first, 0.0F), 50000);
  EXPECT_NEAR(static_cast<double>(kept), 40000, 400);
}

// Kinds of layers that ResNet V1 has not: depthwise, overlapping pools, Concat, LRN.
TEST(TrainingGraphsTest, NoBitDependsOnTheThreads) {
  for (const auto& build : {branches, thin_inception, thin_mobilenet, thin_cifarnet}) {
    const Graph graph = build();
    std::vector<std::vector<float>> gradients;
    for (const int threads : {1, 2, 5}) {
      TrainingOptions options;
      options.batch_size = 6;
      options.height = options.width = 16;
      options.threads = threads;
      TrainingNetwork network(graph, hashed_weights(graph), options);
      std::vector<float> images(static_cast<std::size_t>(6 * 16 * 16 * 3));
      for (std::size_t i = 0; i < images.size(); ++i) {
        images[i] = static_cast<float>(hashed_uniform(static_cast<std::uint32_t>(i)) - 0.5);
      }
      network.forward_backward(images, std::vector<std::int32_t>{0, 1, 2, 0, 1, 2});
      std::vector<float>& all = gradients.emplace_back();
      for (const TrainedParameter& parameter : network.parameters()) {
        all.insert(all.end(), parameter.gradients.begin(), parameter.gradients.end());
      }
    }
    EXPECT_EQ(gradients[1], gradients[0]) << graph.name;
    EXPECT_EQ(gradients[2], gradients[0]) << graph.name;
  }
}

// The sentence with which a graph is refused.
std::string refusal(const Graph& graph) {
  TrainingOptions options;
  options.height = options.width = 8;
  try {
    const TrainingNetwork network(graph, hashed_weights(graph), options);
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::kUnsupported);
    return error.what();
  }
  return "";
}

// Of images -> `middle`, which gives 6 channels -> mean -> logits.
template <typename Middle>
std::string refusal_of(const Middle& middle) {
  NetworkBuilder b;
  const ValueId x = middle(b, b.images());
  return refusal(b.finish(b.classifier(x, 6)));
}

TEST(TrainingGraphsTest, LayerThatCannotBeTrainedIsNamed) {
  EXPECT_THAT(refusal_of([](NetworkBuilder& b, ValueId x) {
                return b.norm("biased", b.plain().conv_with_bias("biased", x, 3, 6, kThree), 6);
              }),
              HasSubstr("biased: Conv cannot be trained yet with biases"));
  EXPECT_THAT(
      refusal_of([](NetworkBuilder& b, ValueId x) {
        const ValueId weights = b.plain().weight({"ordered/weights", {6, 3, 3, 3}});
        return b.norm("ordered", b.plain().add("ordered", op::Conv{kThree}, {x, weights}), 6);
      }),
      HasSubstr("ordered: Conv cannot be trained yet with weights in another order"));
  EXPECT_THAT(
      refusal_of([](NetworkBuilder& b, ValueId x) {
        return b.conv("dilated", x, 3, 6, {{3, 3}, {1, 1}, {2, 2}, {2, 2, 2, 2}, AutoPad::kNotSet});
      }),
      testing::AllOf(HasSubstr("dilated"), HasSubstr("dilations 2 and 2")));
}

// Of a shape that is another one only at this size of images.
TEST(TrainingGraphsTest, AddendOfAnotherShapeIsNamed) {
  EXPECT_THAT(refusal_of([](NetworkBuilder& b, ValueId x) {
                const ValueId largest = b.max_pool("largest", b.rectified("first", x, 3, 6, kThree),
                                                   square_window(8, 8));
                return b.rectified_sum("sum", largest, b.conv("last", x, 3, 6, kThree));
              }),
              HasSubstr("last: Conv cannot be trained yet where a value of another shape is added "
                        "to its result: [N, 6, 1, 1] to [N, 6, 8, 8]"));
}

TEST(TrainingGraphsTest, NodeThatCannotBeTrainedIsNamed) {
  EXPECT_THAT(refusal_of([](NetworkBuilder& b, ValueId x) {
                x = b.rectified("first", x, 3, 6, kThree);
                return b.plain().add("curve", op::Unary{op::UnaryKind::kTanh}, {x});
              }),
              HasSubstr("curve: Tanh cannot be trained yet"));
  EXPECT_THAT(refusal_of([](NetworkBuilder& b, ValueId x) {
                const ValueId mean = b.plain().add("mean of pixels", op::GlobalAveragePool{},
                                                   {b.rectified("a", x, 3, 6, kThree)});
                return b.sum("repeated", mean, b.conv("b", x, 3, 6, kThree));
              }),
              HasSubstr("repeated/sum: Add cannot be trained yet where a value of another shape"));
  EXPECT_THAT(refusal_of([](NetworkBuilder& b, ValueId x) {
                return b.max_pool("spread", b.rectified("first", x, 3, 6, kThree),
                                  {{2, 2}, {2, 2}, {2, 2}, {0, 0, 0, 0}, AutoPad::kNotSet});
              }),
              HasSubstr("spread: MaxPool cannot be trained yet with dilation"));
  EXPECT_THAT(
      refusal_of([](NetworkBuilder& b, ValueId x) {
        return b.max_pool("outside", b.rectified("first", x, 3, 6, kThree), square_window(2, 2, 2));
      }),
      HasSubstr("outside: MaxPool cannot be trained yet with windows of nothing but padding"));
  EXPECT_THAT(refusal_of([](NetworkBuilder& b, ValueId x) {
                b.rectified("idle", x, 3, 6, kThree);
                return b.rectified("first", x, 3, 6, kThree);
              }),
              HasSubstr("idle: Conv cannot be trained yet where nothing uses its result"));
}

TEST(TrainingGraphsTest, WeightsOfTwoLayersAreNamed) {
  EXPECT_THAT(
      refusal_of([](NetworkBuilder& b, ValueId x) {
        x = b.rectified("first", x, 3, 6, kThree);
        const ValueId weights = b.plain().weight({"shared", {3, 3, 6, 6}, WeightLayout::kHwio});
        for (const std::string name : {"second", "third"}) {
          x = b.norm(name, b.plain().add(name, op::Conv{kThree}, {x, weights}), 6);
        }
        return x;
      }),
      HasSubstr("third: Conv cannot be trained yet where something else uses shared too"));
}

TEST(TrainingGraphsTest, OutputThatCannotBeTrainedIsNamed) {
  NetworkBuilder wide;
  const ValueId x = wide.rectified("first", wide.images(), 3, 6, kThree);
  EXPECT_THAT(refusal(wide.finish(wide.plain().conv_with_bias("logits", x, 6, kClasses, kOne))),
              HasSubstr("logits: Conv cannot be trained yet as output layer"));

  NetworkBuilder none;
  const ValueId y = none.rectified("first", none.images(), 3, 6, kThree);
  EXPECT_THAT(refusal(none.finish(none.max_pool("last", y, square_window(2, 2)))),
              HasSubstr("net: a network cannot be trained yet whose output is made by no linear"));

  NetworkBuilder two;
  const ValueId z = two.rectified("first", two.images(), 3, 6, kThree);
  EXPECT_THAT(refusal(two.plain().finish({two.classifier(z, 6), z})),
              HasSubstr("first: Conv cannot be trained yet as output layer"));

  NetworkBuilder again;
  const ValueId logits =
      again.classifier(again.rectified("first", again.images(), 3, 6, kThree), 6);
  const ValueId half = again.plain().constant("half", make_scalar(DType::kFloat32, 0.5));
  const ValueId scaled =
      again.plain().add("scaled", op::Binary{op::BinaryKind::kMul}, {logits, half});
  const ValueId other = again.plain().add(
      "other", op::Gemm{},
      {scaled, again.plain().weight({"other/weights", {kClasses, kClasses}}),
       again.plain().weight(
           {"other/biases", {kClasses}, WeightLayout::kAsUsed, WeightRole::kBias})});
  EXPECT_THAT(refusal(again.plain().finish({logits, other})),
              HasSubstr("logits: Conv cannot be trained yet as output layer where something else"));
}

}  // namespace
}  // namespace narrow
