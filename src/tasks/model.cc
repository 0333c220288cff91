#include "narrow/model.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/join_some.h"
#include "base/parallel.h"
#include "graph/slim/resnet_v1.h"
#include "graph/slim/slim_networks.h"
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

// The variables of Slim's network; those of an auxiliary head if the checkpoint has one of them.
std::vector<Weight> variables_of(const CheckpointReader& reader, const std::string& network,
                                 int class_count) {
  const std::vector<Weight> all = slim_network(network, class_count, true).graph.weights;
  const std::vector<Weight> plain = slim_network(network, class_count, false).graph.weights;
  const bool has_head = std::ranges::any_of(all, [&](const Weight& weight) {
    return std::ranges::find(plain, weight.name, &Weight::name) == plain.end() &&
           reader.find(weight.name);
  });
  return has_head ? all : plain;
}

[[noreturn]] void throw_mismatch(const CheckpointReader& reader, const std::string& network,
                                 int class_count, std::size_t variable_count,
                                 const std::vector<std::string>& missing,
                                 const std::vector<std::string>& wrong) {
  const std::string where = reader.location().path.string();
  if (!missing.empty()) {
    throw Error(
        ErrorCategory::kNotFound,
        fmt::format("{} is not a checkpoint of {}: {} of its {} variables are missing: {}", where,
                    network, missing.size(), variable_count, join_some(missing, kMaxNamed)),
        {Remedy::Kind::kInspect});
  }
  throw Error(ErrorCategory::kCorrupt,
              fmt::format("{} does not fit {} with {} classes: {}", where, network, class_count,
                          join_some(wrong, kMaxNamed)));
}

}  // namespace

std::vector<std::string> model_names() { return slim_network_names(); }

std::vector<std::string> example_model_names() { return resnet_v1_names(); }

QuantizePlan resnet_plan(const CheckpointReader& reader, const std::string& network,
                         int class_count, const Scheme& scheme, bool moving_averages) {
  validate(scheme);
  const std::vector<Weight> variables = variables_of(reader, network, class_count);
  const std::vector<Weight> with_one_more = variables_of(reader, network, class_count + 1);
  QuantizePlan plan;
  std::vector<std::string> missing;
  std::vector<std::string> wrong;
  for (std::size_t i = 0; i < variables.size(); ++i) {
    const Weight& variable = variables[i];
    const bool counts_classes = variable.shape != with_one_more[i].shape;
    std::vector<std::string> names = {variable.name};
    if (moving_averages) names.push_back(variable.name + std::string(kAverageSuffix));
    for (const std::string& name : names) {
      const auto index = reader.find(name);
      if (!index.has_value()) {
        missing.push_back(name);
        continue;
      }
      if (auto text = complaint(variable, counts_classes, reader.tensors()[*index]);
          !text.empty()) {
        wrong.push_back(std::move(text));
      }
      TensorPlan& tensor = plan.emplace_back();
      tensor.index = *index;
      tensor.reason = reason_to_copy(variable, name, moving_averages);
      if (tensor.reason == CopyReason::kNone) tensor.scheme = scheme;
    }
  }
  if (!missing.empty() || !wrong.empty()) {
    throw_mismatch(reader, network, class_count, variables.size(), missing, wrong);
  }
  if (const auto index = reader.find(kGlobalStep)) {
    plan.push_back({*index, std::nullopt, CopyReason::kCounter});
  }
  std::ranges::sort(plan, {}, &TensorPlan::index);
  return plan;
}

void write_initial_weights(const std::string& network, int class_count, std::uint64_t seed,
                           CheckpointWriter& writer) {
  // Streams are keyed by name, so the values do not depend on who computes them.
  struct Job {
    Weight variable;
    Initializer initializer;
    std::vector<float> values;
  };
  const SlimGraph slim = slim_network(network, class_count, true);
  std::vector<Job> jobs;
  for (std::size_t i = 0; i < slim.graph.weights.size(); ++i) {
    jobs.push_back({slim.graph.weights[i], slim.initializers[i], {}});
  }
  // Saver's order, so that the files are what TensorFlow would have written.
  std::ranges::sort(jobs, {},
                    [](const Job& job) -> const std::string& { return job.variable.name; });
  const TensorInfo step{kGlobalStep, DType::kInt64, {}};
  writer.add(step);
  for (const Job& job : jobs) {
    writer.add({job.variable.name, DType::kFloat32, job.variable.shape});
  }
  const std::int64_t zero = 0;
  writer.write(std::as_bytes(std::span(&zero, 1)));
  std::size_t next = 0;
  const auto in_flight = static_cast<std::size_t>(available_threads()) + 1;
  run_pipeline<Job>(
      in_flight, [&]() -> Job* { return next == jobs.size() ? nullptr : &jobs[next++]; },
      [&](Job& job) {
        job.values.resize(element_count(job.variable.shape));
        fill_initial_values(job.variable, job.initializer, seed, job.values);
      },
      [&](Job& job) {
        writer.write(std::as_bytes(std::span(job.values)));
        job.values = {};
      });
}

}  // namespace narrow
