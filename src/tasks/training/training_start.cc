#include "tasks/training/training_start.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <regex>
#include <utility>

#include "base/join_some.h"
#include "base/parallel.h"
#include "checkpoint/tensorflow/interrupted_checkpoints.h"
#include "checkpoint/tensorflow/state_file.h"
#include "graph/slim/slim_networks.h"
#include "model/checkpoint_network.h"
#include "narrow/error.h"
#include "narrow/packed_checkpoint.h"
#include "tasks/initial_values.h"

namespace narrow {
namespace {

// An error sentence names at most this many variables.
constexpr std::size_t kMaxNamed = 5;

std::int64_t read_resumed_step(const CheckpointReader& reader) {
  const auto index = reader.find("global_step");
  const std::string where = reader.location().path.string();
  if (!index || reader.tensors()[*index].dtype != DType::kInt64 ||
      element_count(reader.tensors()[*index].shape) != 1) {
    throw Error(ErrorCategory::kNotFound,
                fmt::format("{} holds no global_step, so the training in its directory cannot be "
                            "continued; name another train_dir and this as checkpoint_path",
                            where));
  }
  std::int64_t step = 0;
  reader.read(*index, std::as_writable_bytes(std::span(&step, 1)));
  if (step < 0) {
    throw Error(ErrorCategory::kCorrupt, fmt::format("the global_step of {} is {}", where, step));
  }
  return step;
}

void set_network(TrainingStart& start, std::string name, SlimGraph network) {
  start.name = std::move(name);
  start.network = std::move(network.graph);
  start.initializers = std::move(network.initializers);
  for (std::size_t i = 0; i < start.network.weights.size(); ++i) {
    if (network.regularized[i]) start.regularized.push_back(start.network.weights[i].name);
  }
}

// Where evaluation has codes, training has them too.
void quantize_activations(TrainingStart& start, const TrainOptions& options, int class_count) {
  if (!options.quantize_activations) return;
  const Graph evaluated = find_slim_network(start.name) != nullptr
                              ? slim_network(start.name, class_count, false).graph
                              : start.network;
  const std::vector<StepPlace> places =
      step_places(evaluated, *options.quantize_activations, options.activation_rules);
  std::map<std::string, Initializer> initializers;
  for (std::size_t i = 0; i < start.network.weights.size(); ++i) {
    initializers[start.network.weights[i].name] = start.initializers[i];
  }
  for (const StepPlace& place : places) start.steps.push_back(place.step);
  start.network = with_steps(std::move(start.network), places);
  start.initializers.clear();
  for (const Weight& weight : start.network.weights) {
    const auto known = initializers.find(weight.name);
    start.initializers.push_back(
        known != initializers.end() ? known->second : Initializer{InitializerKind::kConstant, 1});
  }
}

// What is continued has the steps of the options, and no others.
void require_resumed_steps(const TrainingStart& start) {
  const auto refuse = [&](const char* what, const std::string& name) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} {} {}: the training in its directory had other quantized "
                            "activations; continue with its flags, or name another train_dir and "
                            "this checkpoint as checkpoint_path",
                            start.resumed->location().path.string(), what, name));
  };
  for (const TrainedStep& step : start.steps) {
    if (!start.resumed->find(step.variable())) refuse("has no", step.variable());
  }
  for (const TensorInfo& tensor : start.resumed->tensors()) {
    const std::optional<TrainedStep> step = trained_step(tensor.name);
    if (step && std::ranges::find(start.steps, *step) == start.steps.end()) {
      refuse("has", tensor.name);
    }
  }
}

void take_network_of(TrainingStart& start, const CheckpointReader& reader,
                     const TrainOptions& options, int class_count) {
  require_slim_variables(reader, "training");
  const std::string name =
      options.model_name.empty() ? find_network_scope(reader) : options.model_name;
  if (find_slim_network(name) != nullptr) {
    set_network(start, name, slim_network(name, class_count, true));
    return;
  }
  set_network(start, name,
              with_resnet_v1_scope(network_of_checkpoint(reader, CheckpointVariables(reader, false),
                                                         name, class_count)));
}

void make_new_network(TrainingStart& start, const TrainOptions& options, int class_count) {
  if (options.model_name.empty()) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("You must supply the network with model_name ({}), or a checkpoint "
                            "with checkpoint_path",
                            fmt::join(slim_network_names(), ", ")));
  }
  set_network(start, options.model_name, slim_network(options.model_name, class_count, true));
}

bool is_excluded(const std::string& name, const std::vector<std::string>& scopes) {
  return std::ranges::any_of(scopes,
                             [&](const std::string& scope) { return name.starts_with(scope); });
}

// The scope that leaves a weight out: of the output layer all of them.
std::string scope_of(const Graph& network, const Weight& weight) {
  const std::string scope = logits_scope(network);
  return weight.name.starts_with(scope + "/") ? scope : weight.name;
}

[[noreturn]] void throw_unfit(const CheckpointReader& reader, const std::vector<std::string>& unfit,
                              std::vector<std::string> scopes) {
  scopes.erase(std::unique(scopes.begin(), scopes.end()), scopes.end());
  const bool all_named = scopes.size() <= kMaxNamed;
  throw Error(ErrorCategory::kUsage,
              fmt::format("{} does not fit the network: {}; to begin with new values there, set "
                          "checkpoint_exclude_scopes={}",
                          reader.location().path.string(), join_some(unfit, kMaxNamed),
                          all_named ? fmt::format("{}", fmt::join(scopes, ","))
                                    : "PREFIX,... with prefixes of their names"));
}

// The model variables that come from the checkpoint of a warm start.
std::vector<const Weight*> choose_restored(const TrainingStart& start, const TrainOptions& options,
                                           Observer& observer) {
  require_slim_variables(*start.warm, "training");
  const CheckpointVariables source(*start.warm, false);
  const std::string where = start.warm->location().path.string();
  std::vector<const Weight*> restored;
  std::vector<std::string> missing;
  std::vector<std::string> unfit;
  std::vector<std::string> unfit_scopes;
  bool any_wanted = false;
  for (const Weight& variable : start.network.weights) {
    if (is_excluded(variable.name, options.checkpoint_exclude_scopes)) continue;
    const auto found = source.find(variable.name);
    if (trained_step(variable.name) && !found) continue;  // follows from the first batches
    any_wanted = true;
    if (!found) {
      missing.push_back(variable.name);
    } else if (found->shape != variable.shape || !is_floating_point(found->dtype)) {
      unfit.push_back(fmt::format("{} is {} {} there and float32 {} here", variable.name,
                                  found->type_name(), to_string(found->shape),
                                  to_string(variable.shape)));
      unfit_scopes.push_back(scope_of(start.network, variable));
    } else {
      restored.push_back(&variable);
    }
  }
  if (!any_wanted) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("checkpoint_exclude_scopes={} leaves nothing to read from {}; an "
                            "empty scope is a prefix of every name",
                            fmt::join(options.checkpoint_exclude_scopes, ","), where));
  }
  if (!unfit.empty()) throw_unfit(*start.warm, unfit, std::move(unfit_scopes));
  if (!missing.empty() && !options.ignore_missing_vars) {
    throw Error(
        ErrorCategory::kNotFound,
        fmt::format("{} lacks {} of the variables of {}: {}; set "
                    "checkpoint_exclude_scopes to what shall begin with new values, or "
                    "ignore_missing_vars",
                    where, missing.size(), start.network.name, join_some(missing, kMaxNamed)));
  }
  for (const std::string& name : missing) {
    observer.on_note(fmt::format("Variable {} missing in checkpoint {}", name, where));
  }
  return restored;
}

void read_all(const std::vector<const Weight*>& variables, const CheckpointReader& reader,
              Weights& values) {
  const CheckpointVariables source(reader, false);
  parallel_for(variables.size(), [&](std::size_t i) {
    source.read(variables[i]->name, values.values(variables[i]->name));
  });
}

Weights resumed_values(const TrainingStart& start) {
  check_weights(start.network, CheckpointVariables(*start.resumed, false));
  Weights values(start.network);
  std::vector<const Weight*> all;
  for (const Weight& variable : start.network.weights) all.push_back(&variable);
  read_all(all, *start.resumed, values);
  return values;
}

}  // namespace

TrainingStart find_training_start(const TrainOptions& options, int class_count,
                                  Observer& observer) {
  TrainingStart start;
  finish_checkpoints(options.train_dir);
  if (std::filesystem::exists(options.train_dir / kStateFileName)) {
    start.resumed = open_checkpoint(newest_in_state_file(options.train_dir));
    start.global_step = read_resumed_step(*start.resumed);
    if (options.checkpoint_path) {
      observer.on_note(
          fmt::format("Ignoring checkpoint_path because a checkpoint already exists in {}",
                      options.train_dir.string()));
    }
    observer.on_note(
        fmt::format("Restoring parameters from {}", start.resumed->location().path.string()));
    take_network_of(start, *start.resumed, options, class_count);
  } else if (options.checkpoint_path) {
    start.warm = open_unpacked(*options.checkpoint_path);
    observer.on_note(fmt::format("Fine-tuning from {}", start.warm->location().path.string()));
    take_network_of(start, *start.warm, options, class_count);
  } else {
    make_new_network(start, options, class_count);
  }
  quantize_activations(start, options, class_count);
  if (start.resumed) require_resumed_steps(start);
  return start;
}

std::vector<TrainedStep> new_steps(const TrainingStart& start, const TrainOptions& options) {
  if (start.resumed) return {};
  std::vector<TrainedStep> steps;
  for (const TrainedStep& step : start.steps) {
    const std::string name = step.variable();
    const bool is_restored = start.warm && start.warm->find(name) &&
                             !is_excluded(name, options.checkpoint_exclude_scopes);
    if (!is_restored) steps.push_back(step);
  }
  return steps;
}

Weights read_start_values(const TrainingStart& start, const TrainOptions& options,
                          Observer& observer) {
  if (start.resumed) return resumed_values(start);
  const std::vector<Weight>& variables = start.network.weights;
  std::vector<const Weight*> restored;
  if (start.warm) restored = choose_restored(start, options, observer);
  Weights values(start.network);
  parallel_for(variables.size(), [&](std::size_t i) {
    if (std::ranges::find(restored, &variables[i]) != restored.end()) return;
    fill_initial_values(variables[i], start.initializers[i], options.seed,
                        values.values(variables[i].name));
  });
  if (start.warm) read_all(restored, *start.warm, values);
  return values;
}

std::string logits_scope(const Graph& network) {
  const auto is_step = [](const Weight& weight) { return trained_step(weight.name).has_value(); };
  const auto last = std::find_if_not(network.weights.rbegin(), network.weights.rend(), is_step);
  const std::string& biases = last->name;
  return biases.substr(0, biases.rfind('/'));
}

std::vector<std::string> trained_variables(
    const Graph& network, const std::optional<std::vector<std::string>>& trainable_scopes,
    Observer& observer) {
  std::vector<std::string> all;
  for (const Weight& variable : network.weights) {
    if (is_trainable(variable.role)) all.push_back(variable.name);
  }
  if (!trainable_scopes) return all;
  std::vector<bool> chosen(all.size(), false);
  for (const std::string& scope : *trainable_scopes) {
    bool matches = false;
    try {
      const std::regex pattern(scope);
      for (std::size_t i = 0; i < all.size(); ++i) {
        if (!std::regex_search(all[i], pattern, std::regex_constants::match_continuous)) continue;
        chosen[i] = true;
        matches = true;
      }
    } catch (const std::regex_error&) {
      throw Error(ErrorCategory::kUsage,
                  fmt::format("'{}' of trainable_scopes is not a regular expression", scope));
    }
    if (!matches) {
      observer.on_note(
          fmt::format("'{}' of trainable_scopes matches no variable of {}", scope, network.name));
    }
  }
  std::vector<std::string> trained;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (chosen[i]) trained.push_back(all[i]);
  }
  if (trained.empty()) {
    throw Error(
        ErrorCategory::kUsage,
        fmt::format("no trainable variable of {} matches trainable_scopes={}; a scope is "
                    "a regular expression for the beginning of a name, {} say",
                    network.name, fmt::join(*trainable_scopes, ","), logits_scope(network)));
  }
  return trained;
}

}  // namespace narrow
