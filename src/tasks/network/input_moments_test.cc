#include "tasks/network/input_moments.h"

#include <gtest/gtest.h>

#include <limits>

#include "narrow/error.h"
#include "tasks/evaluation/checkpoint_network.h"
#include "tasks/evaluation/evaluation_for_test.h"

namespace narrow {
namespace {

// Sets every element of the variables whose name ends so.
void set_all(std::vector<MemoryTensor>& tensors, std::string_view ending, float value) {
  for (MemoryTensor& tensor : tensors) {
    if (!tensor.info.name.ends_with(ending)) continue;
    const std::vector<float> values(element_count(tensor.info.shape), value);
    tensor = memory_tensor(tensor.info.name, DType::kFloat32, tensor.info.shape, values);
  }
}

TEST(InputMoments, EveryLayerHasOneEntryAnInputChannel) {
  const ResnetV1 network = small_network(10);
  const MemoryReader reader(small_tensors(network, 1));
  const InputMoments moments = input_moments(network, CheckpointVariables(reader, false));
  EXPECT_EQ(moments.size(), network.conv_layers().size() + 1);
  for (const ConvLayer* layer : network.conv_layers()) {
    EXPECT_EQ(moments.at(layer->name).size(), static_cast<std::size_t>(layer->in_depth));
    for (const Moments& channel : moments.at(layer->name)) EXPECT_GE(channel.variance(), 0);
  }
  EXPECT_EQ(moments.at(network.logits_name()).size(),
            static_cast<std::size_t>(network.feature_depth));
}

TEST(InputMoments, BranchesOfAUnitAddUp) {
  const ResnetV1 network = small_network(10);
  auto tensors = small_tensors(network, 1);
  set_all(tensors, "/gamma", 2);
  set_all(tensors, "/beta", 0.5F);
  const MemoryReader reader(std::move(tensors));
  const InputMoments moments = input_moments(network, CheckpointVariables(reader, false));
  const BottleneckUnit& first = network.units[0];
  const BottleneckUnit& second = network.units[1];
  ASSERT_TRUE(first.shortcut.has_value());
  ASSERT_FALSE(second.shortcut.has_value());
  const Moments one = rectified_normal(0.5, 4);
  EXPECT_EQ(moments.at(first.conv1.name)[0].second, one.second);
  EXPECT_EQ(moments.at(first.shortcut->name)[0].second, one.second);
  EXPECT_EQ(moments.at(first.conv3.name)[1].mean, one.mean);
  // Two batch norms, then the rectified sum again with one more.
  const Moments sum = rectified_normal(1, 8);
  EXPECT_DOUBLE_EQ(moments.at(second.conv1.name)[0].second, sum.second);
  const Moments next = rectified_normal(0.5 + sum.mean, 4 + sum.variance());
  EXPECT_DOUBLE_EQ(moments.at(network.units[2].conv1.name)[0].second, next.second);
}

TEST(InputMoments, ImagesExplainTheVarianceOfTheFirstLayer) {
  const ResnetV1 network = small_network(10);
  auto tensors = small_tensors(network, 1);
  set_all(tensors, "small/conv1/weights", 0.5F);
  set_all(tensors, "small/conv1/BatchNorm/moving_variance", 147);
  const MemoryReader reader(std::move(tensors));
  const InputMoments moments = input_moments(network, CheckpointVariables(reader, false));
  // 7 * 7 * 3 weights of 0.5 each make a variance of 147 from pixels of variance 4.
  for (const Moments& channel : moments.at("resnet_v1_small/conv1")) {
    EXPECT_EQ(channel.mean, 0);
    EXPECT_DOUBLE_EQ(channel.second, 4);
  }
}

TEST(InputMoments, ValuesThatAreNotFiniteAreRefused) {
  const ResnetV1 network = small_network(10);
  auto tensors = small_tensors(network, 1);
  set_all(tensors, "/gamma", std::numeric_limits<float>::quiet_NaN());
  const MemoryReader reader(std::move(tensors));
  EXPECT_THROW(input_moments(network, CheckpointVariables(reader, false)), Error);
}

}  // namespace
}  // namespace narrow
