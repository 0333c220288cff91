#include "nn/inference/inference_program.h"

namespace narrow {

InferenceWorker::InferenceWorker(const InferenceProgram& program)
    : memory_(program.plan.byte_size), stream_(program.engine) {
  const auto place = [&](int buffer) {
    return memory_.data() + program.plan.byte_offsets[static_cast<std::size_t>(buffer)];
  };
  for (const Step& step : program.steps) {
    BoundStep bound{&step.primitive, {}};
    for (const StepArgument& argument : step.arguments) {
      bound.arguments.emplace(
          argument.role, argument.buffer < 0
                             ? argument.constant
                             : dnnl::memory(argument.desc, program.engine, place(argument.buffer)));
    }
    steps_.push_back(std::move(bound));
  }
  images_ = reinterpret_cast<float*>(place(program.image_buffer));
  logits_ = reinterpret_cast<float*>(place(program.logits_buffer));
}

void InferenceWorker::execute() {
  for (const BoundStep& step : steps_) step.primitive->execute(stream_, step.arguments);
  stream_.wait();
}

}  // namespace narrow
