#include "nn/reference/reference_executor.h"

#include <algorithm>
#include <mutex>

#include "base/parallel.h"
#include "graph/operators.h"
#include "nn/example_groups.h"
#include "nn/reference/reference_network.h"

namespace narrow {
namespace {

// Enough for reading the weights not to count.
constexpr std::int64_t kMostExamplesOfGroup = 16;

}  // namespace

GraphArrays ReferenceExecutor::run_group(std::span<const GraphArray> inputs,
                                         std::vector<double>* seconds) const {
  std::vector<ReferenceTensor> tensors;
  for (const GraphArray& input : inputs) tensors.push_back(ReferenceTensor::of(input));
  const auto read = [&](const Weight& weight) { return ReferenceTensor::of(read_weight_(weight)); };
  NodeTimer timer;
  if (seconds != nullptr) {
    timer = [&](std::size_t node, double time) { (*seconds)[node] += time; };
  }
  GraphArrays outputs;
  for (const ReferenceTensor& output : run_reference(graph_, read, tensors, timer)) {
    outputs.push_back(output.as_constant());
  }
  return outputs;
}

GraphArrays ReferenceExecutor::run(std::span<const GraphArray> inputs, StepTimes* times) const {
  const ThreadLimit limit(options_.threads);
  std::mutex mutex;
  std::vector<double> total(graph_.nodes.size(), 0);
  const auto run_timed = [&](std::span<const GraphArray> group) {
    if (times == nullptr) return run_group(group, nullptr);
    std::vector<double> seconds(graph_.nodes.size(), 0);
    GraphArrays outputs = run_group(group, &seconds);
    const std::lock_guard lock(mutex);
    std::ranges::transform(total, seconds, total.begin(), std::plus<>());
    return outputs;
  };
  GraphArrays outputs;
  if (options_.independent_examples) {
    const std::int64_t count = shared_examples(inputs);
    const std::int64_t size = (count + limit.threads() - 1) / limit.threads();
    outputs =
        run_groups(inputs, std::clamp<std::int64_t>(size, 1, kMostExamplesOfGroup), run_timed);
  } else {
    outputs = run_timed(inputs);
  }
  if (times == nullptr) return outputs;
  times->resize(graph_.nodes.size());
  for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
    StepTime& step = (*times)[i];
    step.op = operator_of(graph_.nodes[i]).name;
    step.name = graph_.nodes[i].name;
    step.seconds += total[i];
  }
  return outputs;
}

}  // namespace narrow
