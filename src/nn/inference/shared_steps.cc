#include "nn/inference/shared_steps.h"

#include <algorithm>
#include <cstdint>

namespace narrow {

SharedSteps choose_shared_steps(const InferenceProgram& program) {
  constexpr std::size_t kMostExamples = 4;
  constexpr std::size_t kMostBytes = std::size_t{32} << 20;  // of the examples' values
  // Together, weights are read once instead of once an example, and values of an example go through
  // the cache to its next step. The last steps have the most weights and the fewest values.
  const std::size_t steps = program.steps.size();
  SharedSteps shared{steps, 1};
  std::int64_t saved = 0;
  std::int64_t most = 0;
  for (std::size_t i = steps; i-- > 0;) {
    for (const StepArgument& argument : program.steps[i].arguments) {
      const bool is_weight = argument.buffer < 0;
      const auto bytes = static_cast<std::int64_t>(
          is_weight ? argument.constant.get_desc().get_size() : argument.desc.get_size());
      saved += is_weight ? bytes : -bytes;
    }
    if (saved <= most) continue;
    most = saved;
    shared.first = i;
  }
  if (most == 0) return shared;
  const std::size_t fit = kMostBytes / std::max<std::size_t>(program.plan.byte_size, 1);
  shared.examples = std::clamp<std::size_t>(fit, 1, kMostExamples);
  return shared;
}

}  // namespace narrow
