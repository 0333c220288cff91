#include "nn/inference/inference_program.h"

namespace narrow {

InferenceWorker::InferenceWorker(const InferenceProgram& program)
    : memory_(program.plan.byte_size), stream_(program.engine) {
  const auto place = [&](int buffer, std::size_t byte_offset) {
    const std::size_t begin = program.plan.byte_offsets[static_cast<std::size_t>(buffer)];
    return reinterpret_cast<float*>(memory_.data() + begin + byte_offset);
  };
  for (const Step& step : program.steps) {
    if (const auto* const function = std::get_if<StepFunction>(&step.work)) {
      BoundFunction bound{function, {}};
      for (const StepArgument& argument : step.arguments) {
        bound.places.push_back(place(argument.buffer, argument.byte_offset));
      }
      steps_.emplace_back(std::move(bound));
      continue;
    }
    BoundPrimitive bound{&std::get<dnnl::primitive>(step.work), {}};
    for (const StepArgument& argument : step.arguments) {
      bound.arguments.emplace(argument.role,
                              argument.buffer < 0
                                  ? argument.constant
                                  : dnnl::memory(argument.desc, program.engine,
                                                 place(argument.buffer, argument.byte_offset)));
    }
    steps_.emplace_back(std::move(bound));
  }
  images_ = place(program.image_buffer, 0);
  logits_ = place(program.logits_buffer, 0);
}

void InferenceWorker::execute() {
  for (const auto& step : steps_) {
    if (const auto* const bound = std::get_if<BoundPrimitive>(&step)) {
      bound->primitive->execute(stream_, bound->arguments);
    } else {
      const auto& [function, places] = std::get<BoundFunction>(step);
      (*function)(places);
    }
  }
  stream_.wait();
}

}  // namespace narrow
