#include "narrow/selection.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "narrow/error.h"
#include "tasks/name_pattern.h"

namespace narrow {
namespace {

constexpr std::string_view kObjectSuffix = "/.ATTRIBUTES/VARIABLE_VALUE";

// Names by which TensorFlow (Slim), Keras and PyTorch store what training needs and inference does
// not learn. An optimizer's second slot has the suffix _1.
constexpr std::array<std::string_view, 20> kTrainingState = {
    "moving_mean", "moving_variance", "running_mean", "running_var",
    "global_step", "beta1_power",     "beta2_power",  "num_batches_tracked",
    "Momentum",    "RMSProp",         "RMSProp_1",    "Adam",
    "Adam_1",      "Adagrad",         "Adadelta",     "Adadelta_1",
    "Ftrl",        "Ftrl_1",          "RMSProp_2",    "ExponentialMovingAverage",
};

std::string_view last_part(std::string_view name) {
  const auto cut = name.find_last_of("/.");
  return cut == std::string_view::npos ? name : name.substr(cut + 1);
}

// Whether `pattern` may select `info`, which it matches.
bool may_include(const std::string& pattern, const TensorInfo& info) {
  if (!is_floating_point(info.dtype)) return false;
  return !is_training_state(info.name) || last_part(pattern) == last_part(info.name);
}

void require_match(const std::vector<TensorInfo>& tensors, const std::string& pattern,
                   const char* option) {
  const auto hit = [&](const TensorInfo& info) { return name_matches(pattern, info.name); };
  if (std::ranges::any_of(tensors, hit)) return;
  throw Error(
      ErrorCategory::kNotFound,
      fmt::format("{} '{}' matches none of the {} tensors; narrow inspect lists their names",
                  option, pattern, tensors.size()));
}

void include_matches(const std::vector<TensorInfo>& tensors, const std::string& pattern,
                     std::vector<bool>& selected) {
  require_match(tensors, pattern, "--include");
  bool any = false;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (!name_matches(pattern, tensors[i].name) || !may_include(pattern, tensors[i])) continue;
    selected[i] = true;
    any = true;
  }
  if (any) return;
  throw Error(ErrorCategory::kUsage,
              fmt::format("--include '{}' matches only tensors that are not quantized: integers, "
                          "strings, or moving averages and optimizer slots, which a pattern must "
                          "name by their last part (for example '*/moving_mean')",
                          pattern));
}

}  // namespace

bool is_training_state(std::string_view name) {
  if (name.find("/.OPTIMIZER_SLOT/") != std::string_view::npos) return true;
  if (name.ends_with(kObjectSuffix)) name.remove_suffix(kObjectSuffix.size());
  return std::ranges::find(kTrainingState, last_part(name)) != kTrainingState.end();
}

std::vector<bool> select_tensors(const std::vector<TensorInfo>& tensors,
                                 const Selection& selection) {
  std::vector<bool> selected(tensors.size(), false);
  if (selection.include.empty()) {
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      selected[i] = is_floating_point(tensors[i].dtype) && !is_training_state(tensors[i].name);
    }
  }
  for (const std::string& pattern : selection.include) {
    include_matches(tensors, pattern, selected);
  }
  for (const std::string& pattern : selection.exclude) {
    require_match(tensors, pattern, "--exclude");
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (name_matches(pattern, tensors[i].name)) selected[i] = false;
    }
  }
  return selected;
}

}  // namespace narrow
