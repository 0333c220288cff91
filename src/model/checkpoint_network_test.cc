#include "model/checkpoint_network.h"

#include "base/testing/expected_error.h"
#include "graph/slim/resnet_v1.h"
#include "model/testing/small_checkpoint.h"

namespace narrow {
namespace {

TEST(CheckpointNetwork, AVariantIsReadOffItsVariables) {
  const Graph expected = small_network(10);
  const MemoryReader reader(small_tensors(expected, 1));
  EXPECT_EQ(find_network_scope(reader), "resnet_v1_small");
  const CheckpointVariables variables(reader, false);
  const Graph found = network_of_checkpoint(reader, variables, "resnet_v1_small", 10);
  EXPECT_EQ(found, expected);
  EXPECT_NO_THROW(check_weights(found, variables));
}

TEST(CheckpointNetwork, AStandardNameStandsForExactlyThatNetwork) {
  const MemoryReader reader(small_tensors(small_network(10), 1));
  const CheckpointVariables variables(reader, false);
  EXPECT_EQ(network_of_checkpoint(reader, variables, "resnet_v1_50", 10),
            resnet_v1("resnet_v1_50", 10));
}

// A checkpoint with these shapes only.
MemoryReader shapes_of(const Graph& network) {
  std::vector<MemoryTensor> tensors;
  for (const Weight& weight : network.weights) {
    tensors.push_back({{weight.name, DType::kFloat32, weight.shape}, {}, {}});
  }
  return MemoryReader(std::move(tensors));
}

TEST(CheckpointNetwork, NetworksOfSlimAreKnownByTheirVariables) {
  for (const std::string name : {"resnet_v2_50", "vgg_a", "inception_v3", "mobilenet_v1_025",
                                 "mobilenet_v2_035", "cifarnet", "lenet"}) {
    // With the head that training has.
    const MemoryReader reader = shapes_of(slim_network(name, 7, true).graph);
    EXPECT_EQ(find_network_scope(reader), name);
    const CheckpointVariables variables(reader, false);
    EXPECT_EQ(checkpoint_class_count(variables, name), 7) << name;
    const Graph found = network_of_checkpoint(reader, variables, name, 7);
    EXPECT_EQ(found, slim_network(name, 7, false).graph) << name;
    EXPECT_NO_THROW(check_weights(found, variables)) << name;
    EXPECT_EQ(slim_network_of(reader, "")->name, name);
  }
}

TEST(CheckpointNetwork, JobsForResnetV1RefuseOthers) {
  EXPECT_NO_THROW(require_slim_network(MemoryReader(small_tensors(small_network(3), 1)), "x"));
  const MemoryReader reader = shapes_of(slim_network("lenet", 7, false).graph);
  EXPECT_NE(error_message(ErrorCategory::kUnsupported,
                          [&] { require_slim_network(reader, "calibration"); })
                .find("a checkpoint of lenet; calibration works"),
            std::string::npos);
}

TEST(CheckpointNetwork, OfAnIncompleteNetworkTheFirstOfItsScopeIsMeant) {
  Graph network = slim_network("mobilenet_v1_025", 7, false).graph;
  network.weights.erase(network.weights.begin() + 3);
  EXPECT_EQ(find_network_scope(shapes_of(network)), "mobilenet_v1");
}

TEST(CheckpointNetwork, WhatIsNoNetworkIsExplained) {
  const MemoryReader nothing({memory_tensor<float>("a", DType::kFloat32, {1}, {1})});
  EXPECT_NE(error_message(ErrorCategory::kNotFound, [&] { find_network_scope(nothing); })
                .find("memory holds no ResNet V1"),
            std::string::npos);
  const CheckpointVariables variables(nothing, false);
  EXPECT_NE(error_message(ErrorCategory::kNotFound,
                          [&] { network_of_checkpoint(nothing, variables, "inception_v5", 10); })
                .find("there is no network inception_v5"),
            std::string::npos);
  auto two = small_tensors(small_network(10), 1);
  auto other = make_resnet_v1({"b", 8, {{4, 2, 1}}, 10});
  for (auto& tensor : small_tensors(other, 1)) {
    if (tensor.info.name != "global_step") two.push_back(std::move(tensor));
  }
  const MemoryReader both(std::move(two));
  EXPECT_NE(error_message(ErrorCategory::kUsage, [&] { find_network_scope(both); })
                .find("2 networks: resnet_v1_small, b"),
            std::string::npos);
}

TEST(CheckpointNetwork, HostileShapesAreRefused) {
  const std::string unit = "n/block1/unit_1/bottleneck_v1/conv1/weights";
  for (const Shape& shape : {Shape{1, 1, 1, 0}, Shape{1, 1, 1}, Shape{0, 0, 0, 1LL << 40}}) {
    const MemoryReader reader({{{"n/conv1/weights", DType::kFloat32, shape}, {}, {}},
                               {{"n/logits/weights", DType::kFloat32, shape}, {}, {}},
                               {{unit, DType::kFloat32, shape}, {}, {}}});
    const CheckpointVariables variables(reader, false);
    error_message(ErrorCategory::kNotFound,
                  [&] { network_of_checkpoint(reader, variables, "n", 10); });
  }
}

TEST(CheckpointVariables, ConvertsAndReadsMovingAverages) {
  const MemoryReader reader(
      {memory_tensor<double>("a", DType::kFloat64, {2}, {1.5, 0.1}),
       memory_tensor<float>("a/ExponentialMovingAverage", DType::kFloat32, {2}, {7, 8})});
  std::vector<float> values(2);
  CheckpointVariables(reader, false).read("a", values);
  EXPECT_EQ(values, (std::vector<float>{1.5F, 0.1F}));
  CheckpointVariables(reader, true).read("a", values);
  EXPECT_EQ(values, (std::vector<float>{7, 8}));
  EXPECT_FALSE(CheckpointVariables(reader, true).find("b"));
}

}  // namespace
}  // namespace narrow
