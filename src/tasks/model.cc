#include "narrow/model.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/join_some.h"
#include "base/parallel.h"
#include "graph/layers.h"
#include "graph/slim/resnet_v1.h"
#include "narrow/error.h"
#include "tasks/initial_values.h"

namespace narrow {
namespace {

constexpr const char* kGlobalStep = "global_step";
constexpr std::string_view kAverageSuffix = "/ExponentialMovingAverage";
// An error sentence names at most this many variables.
constexpr std::size_t kMaxNamed = 5;

// What is wrong with `found` as the value or average of `variable`; empty when nothing is.
std::string complaint(const Weight& variable, bool counts_classes, const TensorInfo& found) {
  if (found.dtype != DType::kFloat32) {
    return fmt::format("{} is {}, expected float32", found.name, found.type_name());
  }
  if (found.shape == variable.shape) return "";
  std::string text = fmt::format("{} has shape {}, expected {}", found.name, to_string(found.shape),
                                 to_string(variable.shape));
  if (counts_classes && !found.shape.empty()) {
    text += fmt::format(" (the checkpoint has {} classes, {} were asked for)", found.shape.back(),
                        variable.shape.back());
  }
  return text;
}

// Of the tensor called `name` that goes with a variable.
CopyReason reason_to_copy(const Weight& variable, const std::string& name, bool moving_averages) {
  if (!is_trainable(variable.role)) return CopyReason::kMovingStatistic;
  const bool is_average = name.ends_with(kAverageSuffix);
  if (is_average == moving_averages) return CopyReason::kNone;
  return is_average ? CopyReason::kMovingAverage : CopyReason::kAveragedVariable;
}

[[noreturn]] void throw_mismatch(const CheckpointReader& reader, const Graph& network,
                                 const std::vector<std::string>& missing,
                                 const std::vector<std::string>& wrong) {
  const std::string where = reader.location().path.string();
  if (!missing.empty()) {
    throw Error(ErrorCategory::kNotFound,
                fmt::format("{} is not a checkpoint of {}: {} of its {} variables are missing: {}",
                            where, network.name, missing.size(), network.weights.size(),
                            join_some(missing, kMaxNamed)),
                {Remedy::Kind::kInspect});
  }
  throw Error(ErrorCategory::kCorrupt,
              fmt::format("{} does not fit {} with {} classes: {}", where, network.name,
                          class_count(network), join_some(wrong, kMaxNamed)));
}

}  // namespace

std::vector<std::string> model_names() { return resnet_v1_names(); }

QuantizePlan resnet_plan(const CheckpointReader& reader, const std::string& network,
                         int class_count, const Scheme& scheme, bool moving_averages) {
  validate(scheme);
  const Graph resnet = resnet_v1(network, class_count);
  const Layer output = *output_layer(resnet);
  QuantizePlan plan;
  std::vector<std::string> missing;
  std::vector<std::string> wrong;
  for (const Weight& variable : resnet.weights) {
    std::vector<std::string> names = {variable.name};
    if (moving_averages) names.push_back(variable.name + std::string(kAverageSuffix));
    for (const std::string& name : names) {
      const auto index = reader.find(name);
      if (!index.has_value()) {
        missing.push_back(name);
        continue;
      }
      if (auto text =
              complaint(variable, output.has_weight(variable.name), reader.tensors()[*index]);
          !text.empty()) {
        wrong.push_back(std::move(text));
      }
      TensorPlan& tensor = plan.emplace_back();
      tensor.index = *index;
      tensor.reason = reason_to_copy(variable, name, moving_averages);
      if (tensor.reason == CopyReason::kNone) tensor.scheme = scheme;
    }
  }
  if (!missing.empty() || !wrong.empty()) throw_mismatch(reader, resnet, missing, wrong);
  if (const auto index = reader.find(kGlobalStep)) {
    plan.push_back({*index, std::nullopt, CopyReason::kCounter});
  }
  std::ranges::sort(plan, {}, &TensorPlan::index);
  return plan;
}

void write_initial_weights(const std::string& network, int class_count, std::uint64_t seed,
                           CheckpointWriter& writer) {
  std::vector<Weight> variables = resnet_v1(network, class_count).weights;
  // Saver's order, so that the files are what TensorFlow would have written.
  std::ranges::sort(variables, {}, &Weight::name);
  const TensorInfo step{kGlobalStep, DType::kInt64, {}};
  writer.add(step);
  for (const Weight& variable : variables) {
    writer.add({variable.name, DType::kFloat32, variable.shape});
  }
  const std::int64_t zero = 0;
  writer.write(std::as_bytes(std::span(&zero, 1)));
  // Streams are keyed by name, so the values do not depend on who computes them.
  struct Job {
    const Weight* variable = nullptr;
    std::vector<float> values;
  };
  std::vector<Job> jobs(variables.size());
  std::size_t next = 0;
  const auto in_flight = static_cast<std::size_t>(available_threads()) + 1;
  run_pipeline<Job>(
      in_flight,
      [&]() -> Job* {
        if (next == jobs.size()) return nullptr;
        jobs[next].variable = &variables[next];
        return &jobs[next++];
      },
      [&](Job& job) {
        job.values.resize(element_count(job.variable->shape));
        fill_initial_values(*job.variable, seed, job.values);
      },
      [&](Job& job) {
        writer.write(std::as_bytes(std::span(job.values)));
        job.values = {};
      });
}

}  // namespace narrow
