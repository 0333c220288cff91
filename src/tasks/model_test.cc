#include "narrow/model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "checkpoint/testing/memory_checkpoint.h"
#include "graph/slim/resnet_v1.h"

namespace narrow {
namespace {

MemoryWriter initial(int classes, std::uint64_t seed) {
  MemoryWriter writer;
  write_initial_weights("resnet_v1_50", classes, seed, writer);
  EXPECT_FALSE(writer.finished) << "that is for the caller";
  return writer;
}

std::string message_of(const MemoryReader& reader, const std::string& network, int classes) {
  try {
    (void)resnet_plan(reader, network, classes, Scheme{});
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

class Model : public testing::Test {
 protected:
  static void SetUpTestSuite() { tensors_ = new MemoryWriter(initial(10, 1)); }
  static void TearDownTestSuite() { delete tensors_; }
  static std::vector<MemoryTensor> copy() { return tensors_->tensors; }
  static MemoryWriter* tensors_;
};

MemoryWriter* Model::tensors_ = nullptr;

TEST_F(Model, InitialValuesAreSlims) {
  const auto tensors = copy();
  EXPECT_EQ(tensors.size(), 268u);  // 267 model variables and global_step
  EXPECT_TRUE(std::ranges::is_sorted(tensors, {},
                                     [](const MemoryTensor& tensor) { return tensor.info.name; }));
  const auto named = [&](const char* name) {
    return *std::ranges::find_if(tensors, [&](const auto& t) { return t.info.name == name; });
  };
  const MemoryTensor weights = named("resnet_v1_50/block2/unit_1/bottleneck_v1/conv2/weights");
  const auto count = weights.bytes.size() / sizeof(float);
  std::vector<float> values(count);
  std::memcpy(values.data(), weights.bytes.data(), weights.bytes.size());
  const double stddev = std::sqrt(1.3 * 2 / (3 * 3 * 128));
  double sum2 = 0;
  for (const float value : values) {
    ASSERT_LE(std::fabs(value), 2 * stddev * 1.000001);
    sum2 += static_cast<double>(value) * value;
  }
  EXPECT_NEAR(sum2 / static_cast<double>(count) / (stddev * stddev), 0.7737, 0.01);
  float gamma = 0;
  std::memcpy(&gamma, named("resnet_v1_50/conv1/BatchNorm/gamma").bytes.data(), sizeof(float));
  EXPECT_EQ(gamma, 1.0F);
}

TEST_F(Model, SeedsDecideTheBytes) {
  const auto same = initial(10, 1).tensors;
  const auto other = initial(10, 2).tensors;
  bool all_equal = true;
  for (std::size_t i = 0; i < same.size(); ++i) {
    EXPECT_EQ(same[i].bytes, tensors_->tensors[i].bytes);
    all_equal = all_equal && other[i].bytes == tensors_->tensors[i].bytes;
  }
  EXPECT_FALSE(all_equal);
}

TEST_F(Model, ThePlanTakesModelVariablesOnly) {
  auto tensors = copy();
  tensors.push_back(
      memory_tensor("resnet_v1_50/mean_rgb", DType::kFloat32, {3}, std::vector<float>{1, 2, 3}));
  const MemoryReader reader(tensors);
  const QuantizePlan plan = resnet_plan(reader, "resnet_v1_50", 10, Scheme{});
  EXPECT_EQ(plan.size(), 268u);
  const auto quantized =
      std::ranges::count_if(plan, [](const TensorPlan& t) { return t.scheme.has_value(); });
  EXPECT_EQ(quantized, 161);
  for (const TensorPlan& tensor : plan) {
    const std::string& name = reader.tensors()[tensor.index].name;
    EXPECT_NE(name, "resnet_v1_50/mean_rgb");
    EXPECT_EQ(tensor.scheme.has_value(),
              name != "global_step" && name.find("/moving_") == std::string::npos)
        << name;
  }
}

TEST_F(Model, WhatDoesNotFitIsNamed) {
  const MemoryReader reader(copy());
  const std::string classes = message_of(reader, "resnet_v1_50", 1000);
  EXPECT_NE(classes.find("has 10 classes, 1000 were asked for"), std::string::npos) << classes;
  EXPECT_NE(classes.find("resnet_v1_50/logits/weights"), std::string::npos) << classes;
  const std::string network = message_of(reader, "resnet_v1_101", 10);
  EXPECT_NE(network.find("522 of its 522 variables are missing"), std::string::npos) << network;

  auto broken = copy();
  broken.erase(broken.begin() + 5);
  const std::string missing = message_of(MemoryReader(broken), "resnet_v1_50", 10);
  EXPECT_NE(missing.find(tensors_->tensors[5].info.name), std::string::npos) << missing;

  auto reshaped = copy();
  reshaped[7].info.shape.insert(reshaped[7].info.shape.begin(), 1);
  const std::string shape = message_of(MemoryReader(reshaped), "resnet_v1_50", 10);
  EXPECT_NE(shape.find("has shape [1, "), std::string::npos) << shape;
}

}  // namespace
}  // namespace narrow
