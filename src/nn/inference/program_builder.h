// Puts the steps of an inference program together. Internal to this folder.
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "nn/buffer_layout.h"
#include "nn/inference/inference_program.h"
#include "nn/onednn_support.h"

namespace narrow {

// Activations of the micro-batch at one point of the network.
struct Activation {
  int buffer = -1;
  dnnl::memory::desc desc;
  int height = 0;
  int width = 0;
  int channels = 0;
};

class ProgramBuilder {
 public:
  using Tag = dnnl::memory::format_tag;

  explicit ProgramBuilder(int micro_batch);

  [[nodiscard]] int micro_batch() const { return micro_batch_; }
  [[nodiscard]] const dnnl::engine& engine() const { return program_.engine; }

  // Buffers that the next step writes first.
  int new_buffer(std::size_t byte_size);
  Activation activation(int height, int width, int channels, Tag format);

  // The scratchpad of a primitive, if it has one, becomes an argument.
  void add_primitive(dnnl::primitive primitive, const dnnl::memory::desc& scratchpad,
                     std::vector<StepArgument> arguments);
  void add_function(StepFunction function, std::vector<StepArgument> arguments);
  void add_reference(ReferenceStep step);
  Activation reordered(const Activation& x, Tag format);

  // Values that all workers share, in the layout that a primitive wants.
  dnnl::memory constant(const float* values, const dnnl::memory::desc& from,
                        const dnnl::memory::desc& to);

  // What the next steps are made of.
  void set_origin(StepOrigin origin) { program_.origins.push_back(std::move(origin)); }

  // Bytes that all workers share.
  dnnl::memory constant(std::span<const std::byte> bytes);

  // The index of a value that is kept apart from the buffers.
  int new_loose() { return program_.loose_count++; }

  // The program, once; of images, or with these inputs and outputs.
  InferenceProgram finish(int image_buffer, int logits_buffer);
  InferenceProgram finish(std::vector<ArrayPlace> inputs, std::vector<ArrayPlace> outputs);

  [[nodiscard]] int step_count() const { return static_cast<int>(program_.steps.size()); }

 private:
  void add_step(Step step);
  void need(int buffer, int step);
  std::byte* weight_place(std::size_t byte_size);

  int micro_batch_;
  InferenceProgram program_;
  std::vector<BufferLifetime> buffers_;
  std::byte* next_weights_ = nullptr;
  std::size_t weight_bytes_left_ = 0;
};

}  // namespace narrow
