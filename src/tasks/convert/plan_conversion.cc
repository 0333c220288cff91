// What becomes of each tensor: averages for variables, then the choice of tensors by old names, new
// names, types, orders of axes.
#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "base/join_some.h"
#include "base/name_pattern.h"
#include "narrow/convert_checkpoint.h"
#include "narrow/error.h"
#include "stream/selection/name_parts.h"
#include "stream/selection/state_names.h"
#include "tasks/convert/rename_tensors.h"
#include "tasks/convert/weight_layout.h"

namespace narrow {
namespace {

constexpr std::size_t kMostListed = 3;

// A tensor on its way into the plan.
struct Candidate {
  std::size_t index = 0;                  // whose values it gets
  CopyReason reason = CopyReason::kNone;  // why it is left out
  std::string name;                       // by which it is renamed: a variable's for its average
};

// Whether a name with this part at its begin or end is that of a moving average.
bool makes_average(std::string_view part) {
  for (const std::string& name : {fmt::format("w/{}", part), fmt::format("{}/w", part)}) {
    const auto state = named_state({name, DType::kFloat32, {2}}, TensorNames({}));
    if (state && state->kind == CopyReason::kMovingAverage) return true;
  }
  return false;
}

// Of an average the name of its variable, also of a moving statistic; else empty.
std::string averaged_name(const TensorInfo& tensor, const TensorNames& names) {
  const auto state = named_state(tensor, names);
  if (!state || !is_floating_point(tensor.dtype)) return {};
  if (state->kind == CopyReason::kMovingAverage) return state->variable;
  if (state->kind != CopyReason::kMovingStatistic) return {};
  // "moving_mean/ExponentialMovingAverage" is the average of a statistic, "moving_mean/biased" not.
  const NameParts parts(tensor.name);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    std::string name = parts.without(i);
    if (names.find(name) != nullptr && makes_average(parts[i])) return name;
  }
  return {};
}

// Averages in the places of their variables.
void take_averages(const std::vector<TensorInfo>& tensors, std::vector<Candidate>& candidates) {
  const TensorNames names(tensors);
  std::unordered_map<std::string, std::size_t> positions;
  for (std::size_t i = 0; i < tensors.size(); ++i) positions.emplace(tensors[i].name, i);
  bool any = false;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto variable = positions.find(averaged_name(tensors[i], names));
    if (variable == positions.end() || tensors[variable->second].shape != tensors[i].shape) {
      continue;
    }
    any = true;
    candidates[variable->second].index = i;
    candidates[i].reason = CopyReason::kMovingAverage;
  }
  if (any) return;
  throw Error(ErrorCategory::kUsage,
              fmt::format("moving_averages: none of the {} tensors is the moving average of a "
                          "variable beside it (NAME/ExponentialMovingAverage, ema.NAME)",
                          tensors.size()),
              {Remedy::Kind::kInspect});
}

void drop_state(const std::vector<TensorInfo>& tensors, std::vector<Candidate>& candidates) {
  const TensorNames names(tensors);
  for (Candidate& candidate : candidates) {
    const auto position = static_cast<std::size_t>(&candidate - candidates.data());
    if (candidate.reason != CopyReason::kNone) continue;
    const auto state = named_state(tensors[position], names);
    if (!state) continue;
    // Inference needs moving statistics, but not the averages of these.
    const bool is_average = !averaged_name(tensors[position], names).empty();
    if (state->kind == CopyReason::kMovingStatistic && !is_average) continue;
    candidate.reason = is_average ? CopyReason::kMovingAverage : state->kind;
  }
}

// Patterns may name a variable or the average in its place.
bool matches(const Candidate& candidate, const std::vector<TensorInfo>& tensors,
             const std::string& pattern) {
  return name_matches(pattern, candidate.name) ||
         name_matches(pattern, tensors[candidate.index].name);
}

void require_match(const std::vector<Candidate>& candidates, const std::vector<TensorInfo>& tensors,
                   const std::string& pattern, const char* action) {
  const auto hit = [&](const Candidate& candidate) { return matches(candidate, tensors, pattern); };
  if (std::ranges::any_of(candidates, hit)) return;
  throw Error(ErrorCategory::kNotFound,
              fmt::format("the pattern to {} '{}' matches none of the {} tensors", action, pattern,
                          candidates.size()),
              {Remedy::Kind::kInspect});
}

void choose(const std::vector<TensorInfo>& tensors, const ConvertOptions& options,
            std::vector<Candidate>& candidates) {
  for (const std::string& pattern : options.include) {
    require_match(candidates, tensors, pattern, "include");
  }
  for (const std::string& pattern : options.exclude) {
    require_match(candidates, tensors, pattern, "exclude");
  }
  for (Candidate& candidate : candidates) {
    if (candidate.reason != CopyReason::kNone) continue;
    const auto hit = [&](const std::string& pattern) {
      return matches(candidate, tensors, pattern);
    };
    if (!options.include.empty() && std::ranges::none_of(options.include, hit)) {
      candidate.reason = CopyReason::kNotIncluded;
    } else if (std::ranges::any_of(options.exclude, hit)) {
      candidate.reason = CopyReason::kExcluded;
    }
  }
}

std::vector<Candidate> candidates_of(const std::vector<TensorInfo>& tensors,
                                     const ConvertOptions& options) {
  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    candidates.push_back({i, CopyReason::kNone, tensors[i].name});
  }
  if (options.moving_averages) take_averages(tensors, candidates);
  if (options.drop_training_state) drop_state(tensors, candidates);
  choose(tensors, options, candidates);
  return candidates;
}

ConvertedTensor converted(const TensorInfo& before, const Candidate& candidate,
                          std::string new_name, const ConvertOptions& options) {
  ConvertedTensor tensor{candidate.index, before, before};
  tensor.after.name = std::move(new_name);
  if (options.cast && is_floating_point(before.dtype)) tensor.after.dtype = *options.cast;
  TensorInfo named = before;
  named.name = candidate.name;
  if (auto change = layout_change(named, tensor.after.name, options.layout)) {
    tensor.axes = std::move(change->axes);
    tensor.after.shape = std::move(change->shape);
    tensor.after.channel_axis.reset();
  }
  return tensor;
}

void require_unique_names(const std::vector<ConvertedTensor>& tensors) {
  std::unordered_map<std::string_view, const TensorInfo*> names;
  for (const ConvertedTensor& tensor : tensors) {
    const auto [known, is_new] = names.emplace(tensor.after.name, &tensor.before);
    if (is_new) continue;
    throw Error(ErrorCategory::kUsage,
                fmt::format("the tensors {} and {} would both be called {}; rename one of them "
                            "otherwise or leave it out",
                            known->second->name, tensor.before.name, tensor.after.name));
  }
}

}  // namespace

ConvertPlan plan_conversion(const CheckpointReader& reader, const ConvertOptions& options) {
  const std::vector<TensorInfo>& tensors = reader.tensors();
  ConvertPlan plan;
  Renamer renamer(options.names, options.renames);
  std::vector<std::string> doubtful;
  for (const Candidate& candidate : candidates_of(tensors, options)) {
    if (candidate.reason != CopyReason::kNone) {
      plan.left_out.emplace_back(candidate.name, candidate.reason);
      continue;
    }
    plan.tensors.push_back(
        converted(tensors[candidate.index], candidate, renamer.rename(candidate.name), options));
    const TensorInfo& after = plan.tensors.back().after;
    if (options.layout == AxisOrder::kTensorFlow &&
        is_doubtful_depthwise(tensors[candidate.index], after.name)) {
      doubtful.push_back(candidate.name);
    }
  }
  if (plan.tensors.empty()) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("none of the {} tensors of {} is left to be written", tensors.size(),
                            reader.location().path.string()),
                {Remedy::Kind::kInspect});
  }
  require_unique_names(plan.tensors);
  plan.notes = renamer.notes();
  if (!doubtful.empty()) {
    plan.notes.push_back(fmt::format(
        "{} kernels with one input channel are taken for ordinary convolutions: {}; depthwise ones "
        "are known by a name that ends in depthwise_kernel or depthwise_weights",
        doubtful.size(), join_some(doubtful, kMostListed)));
  }
  return plan;
}

ConvertPlan fit_into(ConvertPlan plan, const CheckpointReader& target) {
  const std::string where = target.location().path.string();
  ConvertPlan fitted{{}, std::move(plan.left_out), std::move(plan.notes)};
  std::unordered_map<std::string, ConvertedTensor*> by_name;
  for (ConvertedTensor& tensor : plan.tensors) by_name.emplace(tensor.after.name, &tensor);
  for (const TensorInfo& known : target.tensors()) {
    const auto found = by_name.find(known.name);
    if (found == by_name.end()) continue;
    ConvertedTensor& tensor = *found->second;
    const bool is_cast = is_floating_point(tensor.before.dtype) && is_floating_point(known.dtype);
    if (is_cast) tensor.after.dtype = known.dtype;
    if (!tensor.after.same_tensor(known)) {
      throw Error(ErrorCategory::kUnsupported,
                  fmt::format("tensor {} is {} {}, but {} has it as {} {}", tensor.after.name,
                              tensor.after.type_name(), to_string(tensor.after.shape), where,
                              known.type_name(), to_string(known.shape)));
    }
    fitted.tensors.push_back(std::move(tensor));
    by_name.erase(found);
  }
  if (fitted.tensors.empty()) {
    throw Error(ErrorCategory::kNotFound,
                fmt::format("none of the {} tensors is called like one of {}; rename them",
                            plan.tensors.size(), where),
                {Remedy::Kind::kInspect});
  }
  const std::size_t kept = target.tensors().size() - fitted.tensors.size();
  if (kept > 0) {
    fitted.notes.push_back(fmt::format("{} tensors of {} keep their values", kept, where));
  }
  if (!by_name.empty()) {
    std::vector<std::string> others;
    for (const auto& [name, tensor] : by_name) others.push_back(name);
    std::ranges::sort(others);
    fitted.notes.push_back(fmt::format("{} tensors are not in {}: {}", others.size(), where,
                                       join_some(others, kMostListed)));
  }
  return fitted;
}

}  // namespace narrow
