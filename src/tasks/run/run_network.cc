#include "narrow/run_network.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>

#include "base/parallel.h"
#include "base/run_progress.h"
#include "narrow/error.h"
#include "tasks/run/runnable_network.h"

namespace narrow {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::uint64_t peak_memory() {
  constexpr std::uint64_t kUnit = 1024;
  rusage usage = {};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * kUnit;
}

std::uint64_t examples_of(std::span<const GraphArray> inputs) {
  if (inputs.empty() || inputs.front().shape.empty()) return 1;
  const std::int64_t count = inputs.front().shape.front();
  const bool is_shared = std::ranges::all_of(inputs, [&](const GraphArray& input) {
    return !input.shape.empty() && input.shape.front() == count;
  });
  return is_shared ? static_cast<std::uint64_t>(count) : 1;
}

void tell(const RunnableNetwork& network, const PreparedNetwork& prepared, Observer* observer) {
  const std::string& name = network.graph().name;
  if (network.has_halves()) {
    report_note(observer,
                fmt::format("{} has 16-bit floating-point numbers; it is computed in float32, and "
                            "its outputs are rounded to their types",
                            name));
  }
  if (prepared.is_freed) {
    report_note(observer, fmt::format("the first dimension of the inputs of {}, which is 1, is "
                                      "made free: examples do not meet",
                                      name));
  }
  if (prepared.batching == Batching::kOneByOne) {
    report_note(observer, fmt::format("{} is made for one example, and is run for each", name));
  }
}

std::vector<ProfileRow> node_times(const StepTimes& steps, int runs) {
  double total = 0;
  for (const StepTime& step : steps) total += step.seconds;
  std::vector<ProfileRow> rows;
  for (const StepTime& step : steps) {
    rows.push_back(
        {step.op, step.name, 1, step.seconds / runs, total > 0 ? step.seconds / total : 0});
  }
  return rows;
}

std::vector<ProfileRow> operator_times(std::span<const ProfileRow> nodes) {
  std::vector<ProfileRow> rows;
  for (const ProfileRow& node : nodes) {
    auto row = std::ranges::find(rows, node.op, &ProfileRow::op);
    if (row == rows.end()) row = rows.insert(rows.end(), {node.op, "", 0, 0, 0});
    ++row->nodes;
    row->seconds += node.seconds;
    row->share += node.share;
  }
  std::ranges::stable_sort(rows, std::greater<>(), &ProfileRow::seconds);
  return rows;
}

// Names are unique: a graph may give one value as two outputs.
void take_arrays(const RunnableNetwork& network, GraphArrays arrays, NetworkRun& run) {
  const Graph& graph = network.graph();
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    const ValueId id = graph.outputs[i];
    if (std::ranges::find(graph.outputs, id) - graph.outputs.begin() !=
        static_cast<std::ptrdiff_t>(i)) {
      continue;
    }
    auto& to = i < network.own_outputs() ? run.outputs : run.nodes;
    to.push_back(
        {{graph.value(id).name, arrays[i].type, arrays[i].shape}, std::move(arrays[i].bytes)});
  }
}

}  // namespace

std::string_view to_string(Batching batching) noexcept {
  switch (batching) {
    case Batching::kWhole:
      return "whole";
    case Batching::kIndependent:
      return "independent";
    case Batching::kOneByOne:
      return "one-by-one";
  }
  return "";
}

double NetworkRun::median_seconds() const {
  if (seconds.empty()) return 0;
  std::vector<double> sorted = seconds;
  std::ranges::sort(sorted);
  const std::size_t middle = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

double NetworkRun::examples_per_second() const {
  const double median = median_seconds();
  return median > 0 ? static_cast<double>(examples) / median : 0;
}

NetworkRun run_network(const CheckpointReader& reader, std::span<const NamedArray> inputs,
                       const RunNetworkOptions& options, const RunOptions& run) {
  if (options.repeat < 0) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} timed runs, expected 0 or more", options.repeat));
  }
  const ThreadLimit limit(run.threads);
  const auto start = Clock::now();
  const RunnableNetwork network(reader, options.model_name, options.nodes);
  network.require_integers(options);
  const GraphArrays arrays = network.ordered(inputs);
  const PreparedNetwork prepared =
      network.prepare(arrays, limit.threads(), options.execution, options.arithmetic);
  tell(network, prepared, run.observer);
  NetworkRun result;
  result.network = network.graph().name;
  result.execution = prepared.execution;
  result.arithmetic = options.arithmetic;
  result.batching = prepared.batching;
  result.examples = examples_of(arrays);
  result.preparation_seconds = seconds_since(start);
  StepTimes times;
  const int timed = std::max(options.repeat, 1);
  const int warm_up = options.repeat > 0 ? 1 : 0;
  GraphArrays outputs;
  for (int i = 0; i < warm_up + timed; ++i) {
    report_progress(run.observer, static_cast<std::uint64_t>(i),
                    static_cast<std::uint64_t>(warm_up + timed), ProgressUnit::kSteps);
    const bool is_timed = i >= warm_up;
    const auto begin = Clock::now();
    outputs = prepared.run(arrays, options.profile && is_timed ? &times : nullptr);
    if (is_timed) result.seconds.push_back(seconds_since(begin));
  }
  take_arrays(network, std::move(outputs), result);
  result.node_times = node_times(times, timed);
  result.operator_times = operator_times(result.node_times);
  result.peak_memory_bytes = peak_memory();
  return result;
}

}  // namespace narrow
