#include "narrow/selection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "narrow/error.h"

namespace narrow {
namespace {

const std::vector<TensorInfo> kTensors = {
    {"net/conv1/weights", DType::kFloat32, {3}},
    {"net/conv1/weights/Momentum", DType::kFloat32, {3}},
    {"net/conv1/BatchNorm/gamma", DType::kFloat16, {3}},
    {"net/conv1/BatchNorm/moving_mean", DType::kFloat32, {3}},
    {"global_step", DType::kInt64, {}},
    {"net/names", DType::kString, {2}},
    {"layer.running_var", DType::kFloat32, {3}},
    {"dense/kernel/.OPTIMIZER_SLOT/opt/m/.ATTRIBUTES/VARIABLE_VALUE", DType::kFloat32, {3}},
    {"dense/kernel/.ATTRIBUTES/VARIABLE_VALUE", DType::kFloat32, {3}},
};

std::vector<std::string> selected(const Selection& selection) {
  const std::vector<bool> flags = select_tensors(kTensors, selection);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < flags.size(); ++i) {
    if (flags[i]) names.push_back(kTensors[i].name);
  }
  return names;
}

ErrorCategory error_of(const Selection& selection) {
  try {
    (void)select_tensors(kTensors, selection);
  } catch (const Error& error) {
    return error.category();
  }
  ADD_FAILURE() << "no error";
  return ErrorCategory::kIo;
}

TEST(Selection, DefaultLeavesOutTrainingStateAndOtherTypes) {
  EXPECT_THAT(selected({}), testing::ElementsAre("net/conv1/weights", "net/conv1/BatchNorm/gamma",
                                                 "dense/kernel/.ATTRIBUTES/VARIABLE_VALUE"));
}

TEST(Selection, PatternsNarrowTheDefault) {
  EXPECT_THAT(selected({{"net/*"}, {}}),
              testing::ElementsAre("net/conv1/weights", "net/conv1/BatchNorm/gamma"));
  EXPECT_THAT(selected({{"net/*"}, {"*/gamma"}}), testing::ElementsAre("net/conv1/weights"));
  EXPECT_THAT(selected({{}, {"*"}}), testing::IsEmpty());
}

TEST(Selection, TrainingStateIsTakenWhenItIsNamed) {
  EXPECT_THAT(selected({{"*/moving_mean"}, {}}),
              testing::ElementsAre("net/conv1/BatchNorm/moving_mean"));
}

TEST(Selection, APatternWithoutEffectIsAnError) {
  EXPECT_EQ(error_of({{"conv2*"}, {}}), ErrorCategory::kNotFound);
  EXPECT_EQ(error_of({{}, {"conv2*"}}), ErrorCategory::kNotFound);
  EXPECT_EQ(error_of({{"global_step"}, {}}), ErrorCategory::kUsage);
  EXPECT_EQ(error_of({{"*moving_*"}, {}}), ErrorCategory::kUsage);
}

// Links of nodes count where there are some, names do not.
TEST(Selection, ANetworkInTheFileTellsWhatIsAWeight) {
  const auto used = [](const char* name, DType dtype, TensorUse use) {
    TensorInfo info{name, dtype, {2, 2}};
    info.use = use;
    return info;
  };
  const std::vector<TensorInfo> tensors = {used("a/Momentum", DType::kFloat32, TensorUse::kWeight),
                                           used("codes", DType::kInt8, TensorUse::kWeight),
                                           used("bias", DType::kFloat32, TensorUse::kOther),
                                           used("moving_mean", DType::kFloat16, TensorUse::kOther)};
  const auto reasons = [&](const Selection& selection) { return copy_reasons(tensors, selection); };
  const auto none = CopyReason::kNone;
  const auto other = CopyReason::kNotWeight;
  EXPECT_THAT(reasons({}), testing::ElementsAre(none, CopyReason::kType, other, other));
  EXPECT_THAT(reasons({{"b*"}}),
              testing::ElementsAre(CopyReason::kNotIncluded, CopyReason::kType, none, other));
  Selection rules;
  rules.rules = {"*", "*bias"};
  EXPECT_THAT(reasons(rules), testing::ElementsAre(none, CopyReason::kType, other, other));
  rules.rules = {"bias"};
  EXPECT_THAT(reasons(rules), testing::ElementsAre(none, CopyReason::kType, none, other));
  EXPECT_EQ(natural_copy_reasons(tensors)[2], other);
}

TEST(Selection, KnowsTheNamesOfTrainingState) {
  for (const char* name : {"a/RMSProp_1", "beta1_power", "x/ExponentialMovingAverage", "Adam",
                           "bn.num_batches_tracked", "a/moving_variance"}) {
    EXPECT_TRUE(is_training_state(name)) << name;
  }
  for (const char* name : {"a/Adam/weights", "my_global_step_scale", "conv.weight", ""}) {
    EXPECT_FALSE(is_training_state(name)) << name;
  }
}

}  // namespace
}  // namespace narrow
