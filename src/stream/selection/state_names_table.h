// Parts of names by which TensorFlow (Slim, Keras, Estimator), PyTorch and JAX store training
// state.
#pragma once

#include <array>
#include <string_view>

#include "narrow/selection.h"

namespace narrow {

// Where in a name a part must stand to decide the kind.
enum class PartPlace {
  kAnywhere,  // what stands below it is of the same kind: moving_mean/biased
  kHolder,    // names of any kind stand below it, so it is not the last part
  kRoot,      // a holder that must come first, or whose names exist without it
  kLast,      // a number may follow: beta1_power_1
  kLoneLast,  // the last part, and the tensor has one element
  kWhole,     // the whole name, and the tensor has one element
};

struct PartRule {
  std::string_view part;
  CopyReason kind;
  PartPlace place;
};

// The first rule that holds counts.
inline constexpr std::array kPartRules = std::to_array<PartRule>({
    // Savers and iterators, before what Keras keeps below its own names.
    {"keras_api", CopyReason::kBookkeeping, PartPlace::kHolder},
    {"metrics", CopyReason::kBookkeeping, PartPlace::kRoot},
    {"_CHECKPOINTABLE_OBJECT_GRAPH", CopyReason::kBookkeeping, PartPlace::kLast},
    {"save_counter", CopyReason::kCounter, PartPlace::kLast},
    // Loss scales, before the optimizers that they may belong to.
    {"loss_scale", CopyReason::kLossScale, PartPlace::kAnywhere},
    {"current_loss_scale", CopyReason::kLossScale, PartPlace::kAnywhere},
    {"loss_scaler", CopyReason::kLossScale, PartPlace::kAnywhere},
    {"grad_scaler", CopyReason::kLossScale, PartPlace::kAnywhere},
    {"good_steps", CopyReason::kLossScale, PartPlace::kAnywhere},
    // Optimizers as a whole.
    {"OPTIMIZER_SLOT", CopyReason::kOptimizerSlot, PartPlace::kHolder},
    {"optimizer", CopyReason::kOptimizerSlot, PartPlace::kHolder},
    {"optimizers", CopyReason::kOptimizerSlot, PartPlace::kHolder},
    {"optim", CopyReason::kOptimizerSlot, PartPlace::kHolder},
    {"optimizer_state", CopyReason::kOptimizerSlot, PartPlace::kHolder},
    {"optimizer_states", CopyReason::kOptimizerSlot, PartPlace::kHolder},
    {"optimizer_state_dict", CopyReason::kOptimizerSlot, PartPlace::kHolder},
    {"optimizer_weights", CopyReason::kOptimizerSlot, PartPlace::kHolder},
    {"opt_state", CopyReason::kOptimizerSlot, PartPlace::kHolder},
    {"param_states", CopyReason::kOptimizerSlot, PartPlace::kHolder},
    // PyTorch's optimizers.
    {"exp_avg", CopyReason::kOptimizerSlot, PartPlace::kAnywhere},
    {"exp_avg_sq", CopyReason::kOptimizerSlot, PartPlace::kAnywhere},
    {"exp_avg_sq_row", CopyReason::kOptimizerSlot, PartPlace::kAnywhere},
    {"exp_avg_sq_col", CopyReason::kOptimizerSlot, PartPlace::kAnywhere},
    {"max_exp_avg_sq", CopyReason::kOptimizerSlot, PartPlace::kAnywhere},
    {"max_exp_avg_sqs", CopyReason::kOptimizerSlot, PartPlace::kAnywhere},
    {"exp_inf", CopyReason::kOptimizerSlot, PartPlace::kAnywhere},
    {"momentum_buffer", CopyReason::kOptimizerSlot, PartPlace::kAnywhere},
    {"square_avg", CopyReason::kOptimizerSlot, PartPlace::kAnywhere},
    {"grad_avg", CopyReason::kOptimizerSlot, PartPlace::kAnywhere},
    {"acc_delta", CopyReason::kOptimizerSlot, PartPlace::kAnywhere},
    // Batch norm.
    {"moving_mean", CopyReason::kMovingStatistic, PartPlace::kAnywhere},
    {"moving_variance", CopyReason::kMovingStatistic, PartPlace::kAnywhere},
    {"moving_var", CopyReason::kMovingStatistic, PartPlace::kAnywhere},
    {"moving_stddev", CopyReason::kMovingStatistic, PartPlace::kAnywhere},
    {"renorm_mean", CopyReason::kMovingStatistic, PartPlace::kAnywhere},
    {"renorm_mean_weight", CopyReason::kMovingStatistic, PartPlace::kAnywhere},
    {"renorm_stddev", CopyReason::kMovingStatistic, PartPlace::kAnywhere},
    {"renorm_stddev_weight", CopyReason::kMovingStatistic, PartPlace::kAnywhere},
    {"running_mean", CopyReason::kMovingStatistic, PartPlace::kAnywhere},
    {"running_var", CopyReason::kMovingStatistic, PartPlace::kAnywhere},
    {"running_variance", CopyReason::kMovingStatistic, PartPlace::kAnywhere},
    {"mean_ema", CopyReason::kMovingStatistic, PartPlace::kAnywhere},
    {"var_ema", CopyReason::kMovingStatistic, PartPlace::kAnywhere},
    {"batch_stats", CopyReason::kMovingStatistic, PartPlace::kHolder},
    {"num_batches_tracked", CopyReason::kCounter, PartPlace::kLast},
    // Averages of the variables.
    {"ExponentialMovingAverage", CopyReason::kMovingAverage, PartPlace::kAnywhere},
    {"model_ema", CopyReason::kMovingAverage, PartPlace::kHolder},
    {"ema_model", CopyReason::kMovingAverage, PartPlace::kHolder},
    {"ema_network", CopyReason::kMovingAverage, PartPlace::kHolder},
    {"ema_params", CopyReason::kMovingAverage, PartPlace::kHolder},
    {"ema_weights", CopyReason::kMovingAverage, PartPlace::kHolder},
    {"ema_state_dict", CopyReason::kMovingAverage, PartPlace::kHolder},
    {"state_dict_ema", CopyReason::kMovingAverage, PartPlace::kHolder},
    {"shadow_params", CopyReason::kMovingAverage, PartPlace::kHolder},
    {"ema", CopyReason::kMovingAverage, PartPlace::kRoot},
    // Scales of values between operators (narrow train --quantize_activations).
    {"activation_step", CopyReason::kScale, PartPlace::kHolder},
    // Numbers that stand alone.
    {"global_step", CopyReason::kCounter, PartPlace::kLast},
    {"beta1_power", CopyReason::kHyperparameter, PartPlace::kLast},
    {"beta2_power", CopyReason::kHyperparameter, PartPlace::kLast},
    {"_iterations", CopyReason::kCounter, PartPlace::kLoneLast},
    {"learning_rate", CopyReason::kHyperparameter, PartPlace::kLoneLast},
    {"_learning_rate", CopyReason::kHyperparameter, PartPlace::kLoneLast},
    {"_current_learning_rate", CopyReason::kHyperparameter, PartPlace::kLoneLast},
    {"lr", CopyReason::kHyperparameter, PartPlace::kWhole},
    {"step", CopyReason::kCounter, PartPlace::kWhole},
    {"steps", CopyReason::kCounter, PartPlace::kWhole},
    {"epoch", CopyReason::kCounter, PartPlace::kWhole},
    {"iter", CopyReason::kCounter, PartPlace::kWhole},
    {"iteration", CopyReason::kCounter, PartPlace::kWhole},
    {"iterations", CopyReason::kCounter, PartPlace::kWhole},
});

// Optimizers, in lower case and without "Optimizer" at the end. As the last part, with a capital
// letter, TensorFlow's slot (".../Adam_1", ".../LARSOptimizer"); before "_m" and the like a slot
// too ("adam_m"); as a scope they make kSlots, kCounters and kHyperparameters below them count.
inline constexpr std::array kOptimizers = std::to_array<std::string_view>({"adabelief",
                                                                           "adabound",
                                                                           "adadelta",
                                                                           "adafactor",
                                                                           "adagrad",
                                                                           "adagradda",
                                                                           "adam",
                                                                           "adamax",
                                                                           "adamw",
                                                                           "adamweightdecay",
                                                                           "addsign",
                                                                           "amsgrad",
                                                                           "ftrl",
                                                                           "lamb",
                                                                           "lars",
                                                                           "lazyadam",
                                                                           "lion",
                                                                           "momentum",
                                                                           "momentumw",
                                                                           "nadam",
                                                                           "novograd",
                                                                           "powersign",
                                                                           "proximaladagrad",
                                                                           "radam",
                                                                           "rectifiedadam",
                                                                           "rmsprop",
                                                                           "sgd",
                                                                           "sgdw",
                                                                           "shampoo",
                                                                           "sm3",
                                                                           "yogi"});

// Beside these an object of Keras is an optimizer, whatever it is called.
inline constexpr std::array kStepsOfKeras =
    std::to_array<std::string_view>({"iter", "_iterations", "iterations"});

// What optimizers keep for each variable.
inline constexpr std::array kSlots =
    std::to_array<std::string_view>({"m",
                                     "v",
                                     "vr",
                                     "vc",
                                     "vhat",
                                     "v_hat",
                                     "m_hat",
                                     "rms",
                                     "mg",
                                     "momentum",
                                     "momentums",
                                     "velocity",
                                     "velocities",
                                     "accumulator",
                                     "gradient_accumulator",
                                     "gradient_squared_accumulator",
                                     "linear",
                                     "accum_grad",
                                     "accum_var",
                                     "accumulated_grad",
                                     "accumulated_delta_var",
                                     "mean_square",
                                     "average_gradient"});

// What optimizers keep once.
inline constexpr std::array kCounters = std::to_array<std::string_view>(
    {"iter", "iterations", "_iterations", "iteration", "step", "steps", "num_updates"});
inline constexpr std::array kHyperparameters = std::to_array<std::string_view>(
    {"learning_rate", "_learning_rate", "_current_learning_rate", "lr", "beta_1", "beta_2", "beta1",
     "beta2", "beta1_power", "beta2_power", "decay", "weight_decay", "_weight_decay", "rho",
     "epsilon", "initial_accumulator_value", "m_cache", "u_product"});

}  // namespace narrow
