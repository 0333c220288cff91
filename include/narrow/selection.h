// Which tensors of a checkpoint are quantized, and why the others are not.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "narrow/export.h"
#include "narrow/tensor.h"

namespace narrow {

// Shell patterns over tensor names: * any characters ('/' included), ? one, [..] a set.
struct Selection {
  std::vector<std::string> include = {};  // empty: everything that is quantized by default
  std::vector<std::string> exclude = {};  // takes away from what include or the default gives
  // Instead of each variable that is selected its moving average, NAME/ExponentialMovingAverage,
  // ema.NAME or the like: for networks that are evaluated by their averages. Patterns may name
  // either of the two.
  bool moving_averages = false;
  // Patterns of rules: beside the default, without include patterns, they select training state
  // that they spell out, as include patterns do. They need not match anything.
  std::vector<std::string> rules = {};
};

// Why a tensor is copied as it is.
enum class CopyReason : std::uint8_t {
  kNone,  // it is not, or nobody said
  // Training state: what training needs and inference does not learn.
  kOptimizerSlot,    // Adam, adam_m, exp_avg, optimizer/_variables/3, ...
  kMovingStatistic,  // of batch norm: moving_mean, running_var, ..., and their own averages
  kMovingAverage,    // a second copy of the variables: ExponentialMovingAverage, ema.NAME, ...
  kCounter,          // global_step, num_batches_tracked, ...
  kHyperparameter,   // optimizer/beta_2, learning_rate, beta1_power, ...
  kLossScale,        // of training with 16 bits
  kBookkeeping,      // of savers and iterators: metrics, object graphs, positions in data
  // The rest.
  kAveragedVariable,  // Selection::moving_averages takes averages instead
  kScale,             // it gives the codes of another tensor their meaning
  kFloat8,            // its values need a scale, and there is none that fits
  kType,              // not floating point
  kNotWeight,         // the network in the file uses it for something else
  kExcluded,          // by an exclude pattern
  kNotIncluded,       // by no include pattern
  kNotPlanned,        // it is not in the plan, or not trained by the network
  kNonFinite,         // it has NaN or infinite values
};

// "optimizer_slot", "type", ...: the word that JSON has; "" for kNone.
NARROW_EXPORT std::string_view to_string(CopyReason reason) noexcept;

// Tensors by the reason for which they are copied; kNone is never counted.
using CopyCounts = std::map<CopyReason, std::uint64_t>;

// "12 optimizer slots, 2 moving statistics, 1 counter": the most numerous first.
NARROW_EXPORT std::string describe(const CopyCounts& counts);

// Whether the name alone says that a tensor is training state. src/stream/selection/state_names.h
// has the rules.
NARROW_EXPORT bool is_training_state(std::string_view name);

// For each tensor why it is copied, or kNone for those that are selected: floating-point tensors
// that are no training state; where the file has a network, its weights (TensorUse). An include
// pattern selects training state too when it spells out the part of the name that makes it so
// ("*/moving_mean", "optimizer/*"), never scales. Throws Error(kNotFound) for a pattern that
// matches no tensor; Error(kUsage) for an include pattern that matches only tensors that cannot be
// selected, or moving averages where none are.
NARROW_EXPORT std::vector<CopyReason> copy_reasons(const std::vector<TensorInfo>& tensors,
                                                   const Selection& selection);

// The same in short: whether each tensor is selected.
NARROW_EXPORT std::vector<bool> select_tensors(const std::vector<TensorInfo>& tensors,
                                               const Selection& selection);

// By what name other than its own patterns know each tensor: its variable's where it is an average
// that is selected instead; empty for the others.
NARROW_EXPORT std::vector<std::string> variable_names(const std::vector<TensorInfo>& tensors,
                                                      const Selection& selection);

// Without a selection: why a tensor of a plan that is not to be quantized is left out of it.
// kNotPlanned where the tensor itself gives no reason.
NARROW_EXPORT std::vector<CopyReason> natural_copy_reasons(const std::vector<TensorInfo>& tensors);

// Counts by reason, without kNone.
NARROW_EXPORT CopyCounts count_reasons(const std::vector<CopyReason>& reasons);

}  // namespace narrow
