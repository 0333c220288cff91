#include "nn/execution/compiled_executor.h"

#include "base/parallel.h"
#include "narrow/error.h"
#include "nn/example_groups.h"
#include "nn/reference/reference_executor.h"

namespace narrow {

std::shared_ptr<const CompiledGraph> CompiledExecutor::program_for(
    const std::vector<Shape>& shapes) const {
  const std::lock_guard lock(mutex_);
  const auto [place, is_new] = programs_.try_emplace(shapes);
  if (!is_new) return place->second;
  try {
    place->second = std::make_shared<const CompiledGraph>(graph_, read_weight_, shapes);
  } catch (const Error& error) {
    if (error.category() != ErrorCategory::kUnsupported) {
      programs_.erase(place);
      throw;
    }
  }
  return place->second;
}

GraphArrays CompiledExecutor::run(std::span<const GraphArray> inputs, StepTimes* times) const {
  const ThreadLimit limit(options_.threads);
  const bool one_by_one = options_.independent_examples && shared_examples(inputs) > 0;
  std::vector<Shape> shapes;
  for (const GraphArray& input : inputs) {
    shapes.push_back(input.shape);
    if (one_by_one) shapes.back().front() = 1;
  }
  const auto program = program_for(shapes);
  if (program == nullptr) {
    return ReferenceExecutor(graph_, read_weight_, options_).run(inputs, times);
  }
  std::vector<double> seconds(program->steps().size(), 0);
  std::vector<double>* const measured = times != nullptr ? &seconds : nullptr;
  GraphArrays outputs = one_by_one ? program->run_examples(inputs, limit.threads(), measured)
                                   : program->run(inputs, measured);
  if (times == nullptr) return outputs;
  times->resize(seconds.size());
  for (std::size_t i = 0; i < seconds.size(); ++i) {
    StepTime& step = (*times)[i];
    step.op = program->steps()[i].operators;
    step.name = program->steps()[i].node;
    step.seconds += seconds[i];
  }
  return outputs;
}

}  // namespace narrow
