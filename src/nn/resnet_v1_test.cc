#include "nn/resnet_v1.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "narrow/error.h"

namespace narrow {
namespace {

struct Counts {
  std::size_t layers;
  std::size_t variables;
  std::uint64_t elements;
  std::size_t trainable;
  std::uint64_t trainable_elements;
  std::size_t regularized;
  bool operator==(const Counts&) const = default;
};

Counts count(const ResnetV1& network) {
  Counts counts{};
  counts.layers = network.conv_layers().size();
  for (const ModelVariable& variable : network.variables()) {
    const std::uint64_t elements = element_count(variable.shape);
    ++counts.variables;
    counts.elements += elements;
    if (is_trainable(variable.kind)) {
      ++counts.trainable;
      counts.trainable_elements += elements;
    }
    if (is_regularized(variable.kind)) ++counts.regularized;
  }
  return counts;
}

// The expected numbers were counted on the graphs that tf_slim builds for ten classes.
TEST(ResnetV1, CountsAreThoseOfSlim) {
  EXPECT_EQ(count(resnet_v1("resnet_v1_50", 10)), (Counts{53, 267, 23581642, 161, 23528522, 54}));
  EXPECT_EQ(count(resnet_v1("resnet_v1_101", 10)),
            (Counts{104, 522, 42625994, 314, 42520650, 105}));
  EXPECT_EQ(count(resnet_v1("resnet_v1_152", 10)),
            (Counts{155, 777, 58315722, 467, 58164298, 156}));
  EXPECT_EQ(count(resnet_v1("resnet_v1_200", 10)),
            (Counts{203, 1017, 62821322, 611, 62645322, 204}));
  EXPECT_EQ(count(resnet_v1("resnet_v1_50", 1000)).elements, 23581642u + 2028510u);
}

TEST(ResnetV1, VariablesComeInTheOrderOfCreation) {
  const std::vector<ModelVariable> all = resnet_v1("resnet_v1_50", 10).variables();
  const std::string unit = "resnet_v1_50/block1/unit_1/bottleneck_v1/";
  EXPECT_EQ(all[0], (ModelVariable{
                        "resnet_v1_50/conv1/weights", {7, 7, 3, 64}, VariableKind::kConvWeights}));
  EXPECT_EQ(all[1],
            (ModelVariable{"resnet_v1_50/conv1/BatchNorm/gamma", {64}, VariableKind::kGamma}));
  EXPECT_EQ(all[2].name, "resnet_v1_50/conv1/BatchNorm/beta");
  EXPECT_EQ(all[3].name, "resnet_v1_50/conv1/BatchNorm/moving_mean");
  EXPECT_EQ(all[4].name, "resnet_v1_50/conv1/BatchNorm/moving_variance");
  EXPECT_EQ(all[5], (ModelVariable{
                        unit + "shortcut/weights", {1, 1, 64, 256}, VariableKind::kConvWeights}));
  EXPECT_EQ(all[10].name, unit + "conv1/weights");
  EXPECT_EQ(all[15],
            (ModelVariable{unit + "conv2/weights", {3, 3, 64, 64}, VariableKind::kConvWeights}));
  EXPECT_EQ(all[20],
            (ModelVariable{unit + "conv3/weights", {1, 1, 64, 256}, VariableKind::kConvWeights}));
  EXPECT_EQ(all[25], (ModelVariable{"resnet_v1_50/block1/unit_2/bottleneck_v1/conv1/weights",
                                    {1, 1, 256, 64},
                                    VariableKind::kConvWeights}));
  EXPECT_EQ(all[265],
            (ModelVariable{
                "resnet_v1_50/logits/weights", {1, 1, 2048, 10}, VariableKind::kLogitsWeights}));
  EXPECT_EQ(all[266],
            (ModelVariable{"resnet_v1_50/logits/biases", {10}, VariableKind::kLogitsBiases}));
}

TEST(ResnetV1, NamesAreUniqueAndInScope) {
  for (const std::string& name : resnet_v1_names()) {
    std::set<std::string> seen;
    for (const ModelVariable& variable : resnet_v1(name, 7).variables()) {
      EXPECT_TRUE(seen.insert(variable.name).second) << variable.name;
      EXPECT_TRUE(variable.name.starts_with(name + "/")) << variable.name;
    }
  }
}

TEST(ResnetV1, StrideSitsInTheLastUnitOfTheFirstThreeBlocks) {
  for (const BottleneckUnit& unit : resnet_v1("resnet_v1_101", 10).units) {
    const bool last = unit.name.find("block1/unit_3/") != std::string::npos ||
                      unit.name.find("block2/unit_4/") != std::string::npos ||
                      unit.name.find("block3/unit_23/") != std::string::npos;
    EXPECT_EQ(unit.stride, last ? 2 : 1) << unit.name;
    EXPECT_EQ(unit.conv2.stride, unit.stride) << unit.name;
    EXPECT_EQ(unit.conv1.stride, 1);
    EXPECT_FALSE(unit.conv3.relu);
    const bool first = unit.name.find("/unit_1/") != std::string::npos;
    EXPECT_EQ(unit.shortcut.has_value(), first) << unit.name;
  }
}

TEST(ResnetV1, SmallVariantFollowsTheSameRule) {
  const ResnetV1 network = make_resnet_v1({"tiny", 8, {{4, 2, 2}, {2, 1, 1}}, 3});
  // unit_1 of block 1 turns 8 channels into 16, that of block 2 turns 16 into 8.
  EXPECT_EQ(network.units[0].shortcut->weights_shape(), (Shape{1, 1, 8, 16}));
  EXPECT_FALSE(network.units[1].shortcut.has_value());
  EXPECT_EQ(network.units[2].shortcut->weights_shape(), (Shape{1, 1, 16, 8}));
  EXPECT_EQ(network.feature_depth, 8);
}

TEST(ResnetV1, WrongRequestsAreExplained) {
  try {
    resnet_v1("resnet_v1_34", 10);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::kUsage);
    EXPECT_THAT(error.what(), testing::HasSubstr("resnet_v1_34"));
    EXPECT_THAT(error.what(), testing::HasSubstr("resnet_v1_152"));
  }
  EXPECT_THROW(resnet_v1("resnet_v1_50", 0), Error);
  EXPECT_THROW(make_resnet_v1({"none", 8, {}, 3}), Error);
  EXPECT_THROW(make_resnet_v1({"no_units", 8, {{4, 0, 1}}, 3}), Error);
  EXPECT_THROW(make_resnet_v1({"strided_projection", 8, {{4, 1, 2}}, 3}), Error);
}

}  // namespace
}  // namespace narrow
