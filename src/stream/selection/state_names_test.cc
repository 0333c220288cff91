#include "stream/selection/state_names.h"

#include <gtest/gtest.h>

#include <vector>

namespace narrow {
namespace {

constexpr const char* kValue = "/.ATTRIBUTES/VARIABLE_VALUE";

struct Case {
  std::string name;
  CopyReason kind;
};

CopyReason kind_of(const TensorInfo& tensor, const std::vector<TensorInfo>& all) {
  const auto state = named_state(tensor, TensorNames(all));
  return state ? state->kind : CopyReason::kNone;
}

void expect_kinds(const std::vector<Case>& cases, const Shape& shape) {
  for (const Case& one : cases) {
    EXPECT_EQ(to_string(kind_of({one.name, DType::kFloat32, shape}, {})), to_string(one.kind))
        << one.name;
  }
}

TEST(StateNames, SlotsOfTensorFlowsOptimizers) {
  using enum CopyReason;
  expect_kinds({{"w/Momentum", kOptimizerSlot},
                {"w/RMSProp_2", kOptimizerSlot},
                {"w/Adam", kOptimizerSlot},
                {"w/Adam_1:0", kOptimizerSlot},
                {"w/AdamOptimizer_1", kOptimizerSlot},
                {"w/AdamWeightDecayOptimizer", kOptimizerSlot},
                {"w/Nadam", kOptimizerSlot},
                {"w/Adamax", kOptimizerSlot},
                {"w/Ftrl_1", kOptimizerSlot},
                {"w/Adadelta", kOptimizerSlot},
                {"w/LARSOptimizer", kOptimizerSlot},
                {"LARSOptimizer/resnet/conv1/weights/Momentum", kOptimizerSlot},
                {"bert/layer_0/kernel/adam_m", kOptimizerSlot},
                {"bert/layer_0/kernel/adam_v", kOptimizerSlot},
                {"bert/layer_0/kernel/lamb_m", kOptimizerSlot},
                {"decoder/embedding_slot_vr", kOptimizerSlot},
                {"decoder/embedding_slot_vc", kOptimizerSlot},
                {"w/slot_v", kOptimizerSlot},
                {"training/Adam/dense/kernel/m", kOptimizerSlot},
                {"Adam/v/dense/kernel", kOptimizerSlot},
                {"adam/dense/kernel/velocity", kOptimizerSlot}},
               {3, 4});
}

TEST(StateNames, KerasOptimizersOfEveryGeneration) {
  using enum CopyReason;
  const auto object = [](const char* path) { return std::string(path) + kValue; };
  expect_kinds({{object("dense/kernel/.OPTIMIZER_SLOT/optimizer/m"), kOptimizerSlot},
                {object("dense/kernel/.OPTIMIZER_SLOT/optimizer/momentum"), kOptimizerSlot},
                {object("optimizer/_variables/3"), kOptimizerSlot},
                {object("model/optimizer/_variables/3"), kOptimizerSlot},
                {object("generator_optimizer/_variables/3"), kOptimizerSlot},
                {object("optimizer_d/_variables/3"), kOptimizerSlot},
                {object("opt/_iterations"), kCounter},
                {object("opt/_learning_rate"), kHyperparameter},
                {object("optimizer/_iterations"), kCounter},
                {object("optimizer/iter"), kCounter},
                {object("optimizer/_learning_rate"), kHyperparameter},
                {object("optimizer/beta_1"), kHyperparameter},
                {object("optimizer/decay"), kHyperparameter},
                {object("optimizer/loss_scale/current_loss_scale"), kLossScale},
                {object("optimizer/loss_scale/good_steps"), kLossScale},
                {object("model/keras_api/metrics/0/total"), kBookkeeping},
                {object("save_counter"), kCounter},
                {"_CHECKPOINTABLE_OBJECT_GRAPH", kBookkeeping},
                {"iterator/.ATTRIBUTES/ITERATOR_STATE", kBookkeeping},
                {"Adam/beta_2", kHyperparameter},
                {"Adam/iterations", kCounter}},
               {});
}

TEST(StateNames, BatchNormOfKeras3IsKnownByItsFourVectors) {
  using enum CopyReason;
  const auto vectors = [](int count, std::int64_t length) {
    std::vector<TensorInfo> tensors;
    for (int i = 0; i < count; ++i) {
      tensors.push_back({"layers/b/vars/" + std::to_string(i), DType::kFloat32, {length}});
    }
    return tensors;
  };
  const auto four = vectors(4, 8);
  EXPECT_EQ(kind_of(four[1], four), kNone);
  EXPECT_EQ(kind_of(four[2], four), kMovingStatistic);
  EXPECT_EQ(kind_of(four[3], four), kMovingStatistic);
  for (const auto& others : {vectors(3, 8), vectors(5, 8)}) {
    EXPECT_EQ(kind_of(others[2], others), kNone);
  }
  auto different = four;
  different[0].shape = {9};
  EXPECT_EQ(kind_of(different[2], different), kNone);
}

TEST(StateNames, PyTorch) {
  using enum CopyReason;
  expect_kinds({{"optimizer.state.0.exp_avg", kOptimizerSlot},
                {"state.0.exp_avg_sq", kOptimizerSlot},
                {"exp_avg.layers.0.weight", kOptimizerSlot},
                {"state.12.max_exp_avg_sq", kOptimizerSlot},
                {"state.3.momentum_buffer", kOptimizerSlot},
                {"layer1.bn.running_mean", kMovingStatistic},
                {"layer1.bn.running_var", kMovingStatistic}},
               {8});
  expect_kinds({{"layer1.bn.num_batches_tracked", kCounter},
                {"optimizer.state.0.step", kCounter},
                {"state.0.step", kCounter}},
               {});
}

TEST(StateNames, MovingStatisticsAndWhatStandsBelowThem) {
  using enum CopyReason;
  expect_kinds({{"bn/moving_mean", kMovingStatistic},
                {"bn/moving_mean/biased", kMovingStatistic},
                {"bn/moving_mean/local_step", kMovingStatistic},
                {"bn/moving_variance_1", kMovingStatistic},
                {"bn/renorm_stddev_weight", kMovingStatistic},
                {"bn/moving_mean/ExponentialMovingAverage", kMovingStatistic},
                {"ema.bn.running_mean", kMovingStatistic},
                {"net/batch_norm/~/mean_ema/average", kMovingStatistic}},
               {8});
}

TEST(StateNames, AveragesNameTheirVariable) {
  const auto average_of = [](const char* name, const std::vector<TensorInfo>& all) {
    const auto state = named_state({name, DType::kFloat32, {8, 8}}, TensorNames(all));
    EXPECT_TRUE(state && state->kind == CopyReason::kMovingAverage) << name;
    return state ? state->variable : "";
  };
  EXPECT_EQ(average_of("conv/weights/ExponentialMovingAverage", {}), "conv/weights");
  EXPECT_EQ(average_of("ema.conv.weight", {}), "conv.weight");
  EXPECT_EQ(average_of("model_ema.module.conv.weight", {}), "module.conv.weight");
  EXPECT_EQ(average_of("net.ema_model.conv.weight", {}), "net.conv.weight");
  EXPECT_EQ(average_of("net.ema.conv.weight", {{"net.conv.weight", DType::kFloat32, {8, 8}}}),
            "net.conv.weight");
  EXPECT_EQ(average_of("w/.OPTIMIZER_SLOT/opt/average/.ATTRIBUTES/VARIABLE_VALUE", {}),
            "w/.ATTRIBUTES/VARIABLE_VALUE");
  EXPECT_EQ(average_of("conv/weights/ExponentialMovingAverage/local_step", {}), "");
  std::string deep;
  for (int i = 0; i < 20000; ++i) deep += "ema.";
  EXPECT_EQ(kind_of({deep + "w", DType::kFloat32, {8}}, {}), CopyReason::kMovingAverage);
}

TEST(StateNames, NumbersThatStandAlone) {
  using enum CopyReason;
  expect_kinds({{"global_step", kCounter},
                {"step", kCounter},
                {"beta1_power", kHyperparameter},
                {"beta2_power_1", kHyperparameter},
                {"learning_rate", kHyperparameter},
                {"scope/learning_rate", kHyperparameter},
                {"current_loss_scale", kLossScale}},
               {});
}

TEST(StateNames, LayersAreNoTrainingState) {
  for (const char* name : {"a/Adam/weights",
                           "adam_layer/kernel",
                           "my_global_step_scale",
                           "conv.weight",
                           "",
                           "attention/v/kernel",
                           "attention/m/bias",
                           "blocks.0.attn.v",
                           "v",
                           "conv.weight_v",
                           "dense/linear",
                           "momentum/linear/weight",
                           "sgd.linear.weight",
                           "lamb.linear",
                           "model.adam.linear",
                           "momentum_encoder.conv.weight",
                           "encoder.ema_gate.alpha",
                           "net.ema.alpha",
                           "optimizer",
                           "moving_mean_layer/kernel",
                           "step_embedding.weight",
                           "time/step",
                           "state.0.kernel",
                           "rms/kernel",
                           "weight_scale",
                           "layer_with_weights-0/kernel/.ATTRIBUTES/VARIABLE_VALUE",
                           "lm_head.weight",
                           "learning_rate",
                           "step",
                           "optimizer/_trainable_variables/0/.ATTRIBUTES/VARIABLE_VALUE",
                           "stack/_variables/0/.ATTRIBUTES/VARIABLE_VALUE",
                           "opt/beta_1",
                           "optim_1.weight"}) {
    EXPECT_EQ(kind_of({name, DType::kFloat32, {8, 8}}, {}), CopyReason::kNone) << name;
  }
}

// An optimizer of Keras under a name of the user's choice.
TEST(StateNames, ObjectsWithStepsAreOptimizers) {
  const auto kind_beside = [](const char* name, const char* steps) {
    const std::vector<TensorInfo> all = {{std::string(name) + kValue, DType::kFloat32, {}},
                                         {std::string(steps) + kValue, DType::kInt64, {}}};
    return kind_of(all.front(), all);
  };
  EXPECT_EQ(kind_beside("opt/_variables/3", "opt/_iterations"), CopyReason::kOptimizerSlot);
  EXPECT_EQ(kind_beside("opt/beta_1", "opt/iter"), CopyReason::kHyperparameter);
  EXPECT_EQ(kind_beside("opt/iter", "opt/iter"), CopyReason::kCounter);
  EXPECT_EQ(kind_beside("net/decay", "opt/iter"), CopyReason::kNone);
}

// What a name leaves open is decided by the tensor that it would belong to.
TEST(StateNames, NeighboursDecideWhereTheNameDoesNot) {
  const auto in = [](const char* name, const Shape& shape, const char* other,
                     const char* third = "x") {
    const std::vector<TensorInfo> all = {{name, DType::kFloat32, shape},
                                         {other, DType::kFloat32, {4, 6}},
                                         {third, DType::kFloat32, {4, 6}}};
    return kind_of(all.front(), all) == CopyReason::kOptimizerSlot;
  };
  EXPECT_TRUE(in("dense/kernel/v", {4, 6}, "dense/kernel"));
  EXPECT_TRUE(in("dense/kernel/momentum", {4, 6}, "dense/kernel"));
  EXPECT_TRUE(in("dense/kernel/vr", {4}, "dense/kernel"));
  EXPECT_TRUE(in("dense/kernel_momentum", {4, 6}, "dense/kernel"));
  EXPECT_TRUE(in("dense/kernel_v", {4, 6}, "dense/kernel", "dense/kernel_m"));
  EXPECT_TRUE(in("dense/kernel_m:0", {4, 6}, "dense/kernel:0", "dense/kernel_v:0"));
  EXPECT_FALSE(in("dense/kernel_v", {4, 6}, "dense/kernel")) << "weight normalization";
  EXPECT_FALSE(in("dense/kernel/v", {4}, "dense/kernel")) << "another shape";
  EXPECT_FALSE(in("dense/v", {4, 6}, "dense/kernel")) << "of no variable";
}

}  // namespace
}  // namespace narrow
