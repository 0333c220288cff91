#include "nn/inference/program_builder.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace narrow {

using dnnl::memory;

ProgramBuilder::ProgramBuilder(int micro_batch) : micro_batch_(micro_batch) {
  program_.engine = dnnl::engine(dnnl::engine::kind::cpu, 0);
}

int ProgramBuilder::new_buffer(std::size_t byte_size) {
  const int step = static_cast<int>(program_.steps.size());
  buffers_.push_back({byte_size, step, step});
  return static_cast<int>(buffers_.size()) - 1;
}

Activation ProgramBuilder::activation(int height, int width, int channels, Tag format) {
  Activation x{-1, float_desc({micro_batch_, channels, height, width}, format), height, width,
               channels};
  x.buffer = new_buffer(x.desc.get_size());
  return x;
}

void ProgramBuilder::add_primitive(dnnl::primitive primitive, const memory::desc& scratchpad,
                                   std::vector<StepArgument> arguments) {
  if (scratchpad.get_size() > 0) {
    arguments.push_back({DNNL_ARG_SCRATCHPAD, scratchpad, new_buffer(scratchpad.get_size()), {}});
  }
  add_step({std::move(primitive), std::move(arguments), -1});
}

void ProgramBuilder::add_function(StepFunction function, std::vector<StepArgument> arguments) {
  add_step({std::move(function), std::move(arguments), -1});
}

void ProgramBuilder::add_reference(ReferenceStep step) {
  for (const ArrayPlace& place : step.inputs) need(place.buffer, step_count());
  for (const ArrayPlace& place : step.outputs) need(place.buffer, step_count());
  add_step({std::move(step), {}, -1});
}

void ProgramBuilder::add_step(Step step) {
  for (const StepArgument& argument : step.arguments) need(argument.buffer, step_count());
  step.origin = static_cast<int>(program_.origins.size()) - 1;
  program_.steps.push_back(std::move(step));
}

void ProgramBuilder::need(int buffer, int step) {
  if (buffer >= 0) buffers_[static_cast<std::size_t>(buffer)].last_step = step;
}

Activation ProgramBuilder::reordered(const Activation& x, Tag format) {
  const Activation y = activation(x.height, x.width, x.channels, format);
  const dnnl::reorder::primitive_desc primitive(program_.engine, x.desc, program_.engine, y.desc,
                                                shared_primitive_attributes());
  add_primitive(dnnl::reorder(primitive), primitive.scratchpad_desc(),
                {{DNNL_ARG_FROM, x.desc, x.buffer, {}}, {DNNL_ARG_TO, y.desc, y.buffer, {}}});
  return y;
}

memory ProgramBuilder::constant(const float* values, const memory::desc& from,
                                const memory::desc& to) {
  memory source(from, program_.engine, const_cast<float*>(values));
  memory result(to, program_.engine, weight_place(to.get_size()));
  dnnl::stream stream(program_.engine);
  dnnl::reorder(source, result).execute(stream, source, result);
  stream.wait();
  program_.weight_bytes += to.get_size();
  return result;
}

memory ProgramBuilder::constant(std::span<const std::byte> bytes) {
  const memory::desc desc({static_cast<memory::dim>(std::max<std::size_t>(bytes.size(), 1))},
                          memory::data_type::u8, memory::format_tag::x);
  memory result(desc, program_.engine, weight_place(desc.get_size()));
  if (!bytes.empty()) std::memcpy(result.get_data_handle(), bytes.data(), bytes.size());
  program_.weight_bytes += bytes.size();
  return result;
}

// Weights share large pieces of memory, since only large pieces can have huge pages.
std::byte* ProgramBuilder::weight_place(std::size_t byte_size) {
  constexpr std::size_t kPieceBytes = std::size_t{16} << 20;
  constexpr std::size_t kAlignment = 4096;
  const std::size_t needed = (byte_size + kAlignment - 1) / kAlignment * kAlignment;
  if (needed > weight_bytes_left_) {
    weight_bytes_left_ = std::max(needed, kPieceBytes);
    next_weights_ = program_.weight_memory.emplace_back(weight_bytes_left_).data();
  }
  std::byte* const place = next_weights_;
  next_weights_ += needed;
  weight_bytes_left_ -= needed;
  return place;
}

InferenceProgram ProgramBuilder::finish(int image_buffer, int logits_buffer) {
  program_.image_buffer = image_buffer;
  program_.logits_buffer = logits_buffer;
  program_.plan = lay_out_buffers(buffers_);
  return std::move(program_);
}

InferenceProgram ProgramBuilder::finish(std::vector<ArrayPlace> inputs,
                                        std::vector<ArrayPlace> outputs) {
  // Inputs are written before the first step, outputs read after the last one.
  for (const ArrayPlace& place : outputs) need(place.buffer, step_count());
  program_.inputs = std::move(inputs);
  program_.outputs = std::move(outputs);
  program_.plan = lay_out_buffers(buffers_);
  return std::move(program_);
}

}  // namespace narrow
