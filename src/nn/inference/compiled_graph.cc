#include "nn/inference/compiled_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <mutex>
#include <utility>

#include "base/parallel.h"
#include "narrow/error.h"
#include "nn/inference/graph_compiler.h"
#include "nn/inference/inference_program.h"
#include "nn/inference/shared_steps.h"
#include "nn/onednn_support.h"

namespace narrow {
namespace {

[[noreturn]] void refuse(const std::string& what) { throw Error(ErrorCategory::kUsage, what); }

std::size_t byte_size(const ArrayPlace& place) {
  return static_cast<std::size_t>(element_count(place.shape)) * element_size(place.type);
}

std::vector<const Constant*> places_of(std::span<const Constant> arrays) {
  std::vector<const Constant*> places;
  for (const Constant& array : arrays) places.push_back(&array);
  return places;
}

// The parts of every output one after the other, cut to `count` examples.
std::vector<Constant> joined(const std::vector<std::vector<Constant>>& parts, std::int64_t count) {
  if (parts.empty()) refuse("there are no examples");
  std::vector<Constant> whole = parts.front();
  for (std::size_t i = 0; i < whole.size(); ++i) {
    if (whole[i].shape.empty() || whole[i].shape[0] == 0) refuse("an output has no examples");
    const std::size_t example = whole[i].bytes.size() / static_cast<std::size_t>(whole[i].shape[0]);
    for (std::size_t part = 1; part < parts.size(); ++part) {
      const std::vector<std::byte>& bytes = parts[part][i].bytes;
      whole[i].bytes.insert(whole[i].bytes.end(), bytes.begin(), bytes.end());
    }
    whole[i].bytes.resize(example * static_cast<std::size_t>(count));
    whole[i].shape[0] = count;
  }
  return whole;
}

InferenceProgram compile(const Graph& graph, const ReadWeight& read_weight,
                         const std::vector<Shape>& inputs) {
  try {
    const OneDnnThreads single_threaded(1);
    return compile_graph(graph, read_weight, inputs);
  } catch (const dnnl::error& error) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("oneDNN cannot run {}: {}", graph.name, error.what()));
  }
}

}  // namespace

struct CompiledGraph::State {
  InferenceProgram program;
  std::vector<std::string> names;  // of the inputs
  std::vector<CompiledStep> steps;
  SharedSteps shared;
  std::mutex mutex;
  std::vector<std::unique_ptr<InferenceWorker>> idle;  // guarded by mutex

  std::unique_ptr<InferenceWorker> take_worker() {
    {
      const std::lock_guard lock(mutex);
      if (!idle.empty()) {
        auto worker = std::move(idle.back());
        idle.pop_back();
        return worker;
      }
    }
    return std::make_unique<InferenceWorker>(program);
  }
  void give_back(std::unique_ptr<InferenceWorker> worker) {
    const std::lock_guard lock(mutex);
    idle.push_back(std::move(worker));
  }

  // Of each of a few groups of inputs, at once, on the calling thread.
  std::vector<std::vector<Constant>> run(std::span<const std::vector<Constant>> groups,
                                         std::vector<double>* seconds) {
    for (const std::vector<Constant>& inputs : groups) {
      check_arrays(places_of(inputs), false);
    }
    if (seconds != nullptr && seconds->size() != steps.size()) {
      refuse("there is not one time for each step");
    }
    std::vector<double> times(steps.size(), 0);
    std::vector<std::unique_ptr<InferenceWorker>> workers;
    for (const std::vector<Constant>& inputs : groups) {
      workers.push_back(take_worker());
      for (std::size_t i = 0; i < inputs.size(); ++i) workers.back()->set_input(i, inputs[i].bytes);
    }
    execute(workers, seconds != nullptr ? &times : nullptr);
    std::vector<std::vector<Constant>> results(groups.size());
    for (std::size_t group = 0; group < groups.size(); ++group) {
      for (std::size_t i = 0; i < program.outputs.size(); ++i) {
        results[group].push_back(workers[group]->output(i));
      }
      give_back(std::move(workers[group]));
    }
    if (seconds != nullptr) {
      const std::lock_guard lock(mutex);
      std::ranges::transform(*seconds, times, seconds->begin(), std::plus<>());
    }
    return results;
  }

  void execute(std::span<const std::unique_ptr<InferenceWorker>> workers,
               std::vector<double>* seconds) const {
    const OneDnnThreads single_threaded(1);
    try {
      const std::size_t first_shared = workers.size() > 1 ? shared.first : program.steps.size();
      for (const auto& worker : workers) worker->execute(0, first_shared, seconds);
      for (std::size_t step = first_shared; step < program.steps.size(); ++step) {
        for (const auto& worker : workers) worker->execute(step, step + 1, seconds);
      }
    } catch (const dnnl::error& error) {
      throw Error(ErrorCategory::kUnsupported,
                  fmt::format("oneDNN failed to run the network: {}", error.what()));
    }
  }

  // Checks number, types and shapes; of the first axis only when `examples` is false.
  void check_arrays(std::span<const Constant* const> inputs, bool examples) const;
};

void CompiledGraph::State::check_arrays(std::span<const Constant* const> inputs,
                                        bool examples) const {
  if (inputs.size() != program.inputs.size()) {
    refuse(
        fmt::format("the network has {} inputs, found {}", program.inputs.size(), inputs.size()));
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const ArrayPlace& expected = program.inputs[i];
    Shape shape = inputs[i]->shape;
    if (examples && !shape.empty() && !expected.shape.empty()) shape[0] = expected.shape[0];
    if (inputs[i]->type != expected.type || shape != expected.shape) {
      refuse(fmt::format("the input {} is {} {}, expected {} {}", names[i],
                         to_string(inputs[i]->type), to_string(inputs[i]->shape),
                         to_string(expected.type), to_string(expected.shape)));
    }
    const std::uint64_t bytes = element_count(inputs[i]->shape) * element_size(expected.type);
    if (inputs[i]->bytes.size() != bytes) {
      refuse(fmt::format("the input {} has {} bytes, expected {}", names[i],
                         inputs[i]->bytes.size(), bytes));
    }
  }
}

CompiledGraph::CompiledGraph(const Graph& graph, const ReadWeight& read_weight,
                             const std::vector<Shape>& inputs)
    : state_(std::make_unique<State>()) {
  for (const ValueId id : graph.inputs) state_->names.push_back(graph.value(id).name);
  state_->program = compile(graph, read_weight, inputs);
  state_->shared = choose_shared_steps(state_->program);
  for (const StepOrigin& origin : state_->program.origins) {
    state_->steps.push_back({origin.operators, origin.node, false});
  }
  for (const Step& step : state_->program.steps) {
    if (!std::holds_alternative<ReferenceStep>(step.work)) continue;
    state_->steps[static_cast<std::size_t>(step.origin)].is_reference = true;
  }
}

CompiledGraph::~CompiledGraph() = default;
CompiledGraph::CompiledGraph(CompiledGraph&& other) noexcept = default;
CompiledGraph& CompiledGraph::operator=(CompiledGraph&& other) noexcept = default;

std::size_t CompiledGraph::weight_bytes() const { return state_->program.weight_bytes; }
std::size_t CompiledGraph::worker_bytes() const { return state_->program.plan.byte_size; }

const std::vector<CompiledStep>& CompiledGraph::steps() const { return state_->steps; }

std::vector<Constant> CompiledGraph::run(std::span<const Constant> inputs,
                                         std::vector<double>* seconds) const {
  const std::vector<Constant> copy(inputs.begin(), inputs.end());
  return state_->run(std::span(&copy, 1), seconds).front();
}

std::vector<Constant> CompiledGraph::run_examples(std::span<const Constant> inputs, int threads,
                                                  std::vector<double>* seconds) const {
  return run_examples(places_of(inputs), threads, seconds);
}

std::vector<Constant> CompiledGraph::run_examples(std::span<const Constant* const> inputs,
                                                  int threads, std::vector<double>* seconds) const {
  state_->check_arrays(inputs, true);
  if (inputs.empty() || inputs[0]->shape.empty()) refuse("there is no axis of examples");
  const std::int64_t count = inputs[0]->shape[0];
  const std::int64_t together = state_->program.inputs[0].shape[0];
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i]->shape.empty() || inputs[i]->shape[0] != count ||
        state_->program.inputs[i].shape[0] != together) {
      refuse(fmt::format("the input {} has another number of examples than the first one",
                         state_->names[i]));
    }
  }
  const auto parts = static_cast<std::size_t>(together > 0 ? (count + together - 1) / together : 0);
  std::vector<std::vector<Constant>> results(parts);
  const auto slice = [&](std::size_t part) {
    std::vector<Constant> arrays;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const ArrayPlace& place = state_->program.inputs[i];
      arrays.push_back({place.type, place.shape, std::vector<std::byte>(byte_size(place))});
      const std::size_t begin = part * arrays.back().bytes.size();
      const std::size_t bytes =
          std::min(arrays.back().bytes.size(), inputs[i]->bytes.size() - begin);
      std::memcpy(arrays.back().bytes.data(), inputs[i]->bytes.data() + begin, bytes);
    }
    return arrays;
  };
  const auto workers = std::clamp<std::size_t>(static_cast<std::size_t>(std::max(threads, 1)), 1,
                                               std::max<std::size_t>(parts, 1));
  // As many at once as are left for each worker in equal rounds.
  const std::size_t most = workers * state_->shared.examples;
  const std::size_t rounds = std::max<std::size_t>((parts + most - 1) / most, 1);
  const std::size_t at_once = (parts + workers * rounds - 1) / (workers * rounds);
  parallel_for(workers, [&](std::size_t worker) {
    for (std::size_t first = worker * at_once; first < parts; first += workers * at_once) {
      std::vector<std::vector<Constant>> groups;
      for (std::size_t part = first; part < std::min(first + at_once, parts); ++part) {
        groups.push_back(slice(part));
      }
      std::ranges::move(state_->run(groups, seconds),
                        results.begin() + static_cast<std::ptrdiff_t>(first));
    }
  });
  return joined(results, count);
}

}  // namespace narrow
