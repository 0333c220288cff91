#include <fmt/format.h>

#include <chrono>
#include <cstring>
#include <utility>

#include "graph/operators.h"
#include "narrow/error.h"
#include "nn/inference/inference_program.h"
#include "tensor/element_values.h"

namespace narrow {

InferenceWorker::InferenceWorker(const InferenceProgram& program)
    : program_(program), memory_(program.plan.byte_size), stream_(program.engine) {
  for (const Step& step : program.steps) {
    if (const auto* const reference = std::get_if<ReferenceStep>(&step.work)) {
      steps_.emplace_back(BoundReference{reference});
      continue;
    }
    if (const auto* const function = std::get_if<StepFunction>(&step.work)) {
      BoundFunction bound{function, {}};
      for (const StepArgument& argument : step.arguments) {
        void* const at = argument.buffer < 0 ? argument.constant.get_data_handle()
                                             : place(argument.buffer, argument.byte_offset);
        bound.places.push_back(static_cast<float*>(at));
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
  if (program.image_buffer >= 0) {
    images_ = reinterpret_cast<float*>(place(program.image_buffer));
    logits_ = reinterpret_cast<float*>(place(program.logits_buffer));
  }
  loose_.resize(static_cast<std::size_t>(program.loose_count));
}

std::byte* InferenceWorker::place(int buffer, std::size_t byte_offset) const {
  return memory_.data() + program_.plan.byte_offsets[static_cast<std::size_t>(buffer)] +
         byte_offset;
}

ReferenceTensor InferenceWorker::read(const ArrayPlace& from) const {
  if (from.loose >= 0) return loose_[static_cast<std::size_t>(from.loose)];
  const std::size_t bytes =
      static_cast<std::size_t>(element_count(from.shape)) * element_size(from.type);
  const std::span<const std::byte> values(place(from.buffer), bytes);
  ReferenceTensor x = {from.shape, {}, from.type};
  if (x.is_real()) {
    x.values = decode_reals(from.type, values);
  } else {
    x.integers = decode_integers(from.type, values);
  }
  return x;
}

void InferenceWorker::write(const ArrayPlace& to, ReferenceTensor value) {
  if (to.loose >= 0) {
    loose_[static_cast<std::size_t>(to.loose)] = std::move(value);
    return;
  }
  const Constant encoded = value.as_constant();
  if (!encoded.bytes.empty()) {
    std::memcpy(place(to.buffer), encoded.bytes.data(), encoded.bytes.size());
  }
}

void InferenceWorker::run(const ReferenceStep& step) {
  std::vector<ReferenceTensor> values(step.inputs.size());
  std::vector<const ReferenceTensor*> read_from(step.inputs.size(), nullptr);
  for (std::size_t i = 0; i < step.inputs.size(); ++i) {
    const ArrayPlace& from = step.inputs[i];
    if (!from.is_there()) continue;
    if (from.stored != nullptr) {
      read_from[i] = from.stored.get();
    } else {
      values[i] = read(from);
      read_from[i] = &values[i];
    }
  }
  const auto complain = [&](ErrorCategory category, std::string_view what, Remedy remedy) {
    throw Error(category,
                fmt::format("{} {}: {}", operator_of(step.attributes).name, step.name, what),
                remedy);
  };
  try {
    std::vector<ReferenceTensor> results = run_operator_results(step.attributes, read_from);
    for (std::size_t i = 0; i < step.outputs.size(); ++i) {
      const ArrayPlace& to = step.outputs[i];
      if (!to.is_there()) continue;
      if (to.buffer >= 0 && (results.at(i).shape != to.shape || results.at(i).type != to.type)) {
        throw Error(ErrorCategory::kUnsupported,
                    fmt::format("the result is {}, expected {}", to_string(results[i].shape),
                                to_string(to.shape)));
      }
      write(to, std::move(results.at(i)));
    }
  } catch (const Error& error) {
    complain(error.category(), error.what(), error.remedy());
  }
}

void InferenceWorker::set_input(std::size_t index, std::span<const std::byte> bytes) {
  if (!bytes.empty()) {
    std::memcpy(place(program_.inputs[index].buffer), bytes.data(), bytes.size());
  }
}

Constant InferenceWorker::output(std::size_t index) const {
  const ArrayPlace& from = program_.outputs[index];
  if (from.stored != nullptr) return from.stored->as_constant();
  if (from.loose >= 0) return loose_[static_cast<std::size_t>(from.loose)].as_constant();
  const std::size_t bytes =
      static_cast<std::size_t>(element_count(from.shape)) * element_size(from.type);
  const std::byte* const begin = place(from.buffer);
  return {from.type, from.shape, {begin, begin + bytes}};
}

void InferenceWorker::execute_step(std::size_t index) {
  const auto& step = steps_[index];
  if (const auto* const bound = std::get_if<BoundPrimitive>(&step)) {
    bound->primitive->execute(stream_, bound->arguments);
  } else if (const auto* const reference = std::get_if<BoundReference>(&step)) {
    run(*reference->step);
  } else {
    const auto& [function, places] = std::get<BoundFunction>(step);
    (*function)(places);
  }
}

void InferenceWorker::execute(std::size_t first, std::size_t last, std::vector<double>* seconds) {
  using Clock = std::chrono::steady_clock;
  for (std::size_t i = first; i < last; ++i) {
    const int origin = program_.steps[i].origin;
    if (seconds == nullptr || origin < 0) {
      execute_step(i);
      continue;
    }
    const Clock::time_point begin = Clock::now();
    execute_step(i);
    stream_.wait();
    (*seconds)[static_cast<std::size_t>(origin)] +=
        std::chrono::duration<double>(Clock::now() - begin).count();
  }
  stream_.wait();
}

}  // namespace narrow
