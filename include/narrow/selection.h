// Which tensors of a checkpoint are quantized.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "narrow/tensor.h"

namespace narrow {

// Shell patterns over tensor names: * any characters ('/' included), ? one, [..] a set.
struct Selection {
  std::vector<std::string> include;  // empty: everything that is quantized by default
  std::vector<std::string> exclude;  // takes away from what include or the default gives
};

// A moving average, an optimizer slot or a step counter, by the last part of the name ('/' and '.'
// separate parts): moving_mean, running_var, ExponentialMovingAverage, Momentum, RMSProp_1, Adam,
// beta1_power, global_step, ... and TensorFlow 2's .OPTIMIZER_SLOT variables.
bool is_training_state(std::string_view name);

// For each tensor whether it is selected. Floating-point tensors only; training state only when the
// last part of an include pattern spells its last part out ("*/moving_mean").
// Throws Error(kNotFound) for a pattern that matches no tensor, Error(kUsage) for an include
// pattern that matches only tensors that cannot be selected.
std::vector<bool> select_tensors(const std::vector<TensorInfo>& tensors,
                                 const Selection& selection);

}  // namespace narrow
