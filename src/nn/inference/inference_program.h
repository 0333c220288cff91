// A network as a list of oneDNN primitives over planned memory. Internal to this folder.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <unordered_map>
#include <variant>
#include <vector>

#include "graph/graph.h"
#include "graph/weight_source.h"
#include "nn/aligned_memory.h"
#include "nn/buffer_layout.h"
#include "nn/onednn_support.h"

namespace narrow {

// An argument of a step: a place in the worker's memory, or a constant that workers share.
struct StepArgument {
  int role = 0;  // DNNL_ARG_...
  dnnl::memory::desc desc;
  int buffer = -1;              // index of the buffer, or -1 for a constant
  dnnl::memory constant;        // weights or biases
  std::size_t byte_offset = 0;  // into the buffer
};

// Work on the places of the arguments, which are no constants, in their order.
using StepFunction = std::function<void(std::span<float* const> places)>;

struct Step {
  std::variant<dnnl::primitive, StepFunction> work;
  std::vector<StepArgument> arguments;
};

// Made once, then only read; any number of workers execute it at the same time.
struct InferenceProgram {
  dnnl::engine engine;
  std::vector<Step> steps;
  std::vector<AlignedMemory> weight_memory;  // what the constants lie in
  BufferLayout plan;
  int image_buffer = -1;   // micro_batch x height x width x channels
  int logits_buffer = -1;  // micro_batch x classes
  std::size_t weight_bytes = 0;
};

// The program for micro-batches of `micro_batch` images; the weights have been checked. Throws
// Error(kUnsupported) naming a node or layer that cannot be executed, and what fold_batch_norm
// throws.
InferenceProgram compile_inference(const Graph& graph, const WeightSource& source, int height,
                                   int width, int micro_batch);

// One thread's memory for a program, and its execution.
class InferenceWorker {
 public:
  explicit InferenceWorker(const InferenceProgram& program);
  // Where the images of the next execution go, and where its logits are.
  [[nodiscard]] float* images() const { return images_; }
  [[nodiscard]] const float* logits() const { return logits_; }
  // To be called under OneDnnThreads(1).
  void execute();

 private:
  struct BoundPrimitive {
    const dnnl::primitive* primitive;
    std::unordered_map<int, dnnl::memory> arguments;
  };
  struct BoundFunction {
    const StepFunction* function;
    std::vector<float*> places;
  };
  AlignedMemory memory_;
  dnnl::stream stream_;
  std::vector<std::variant<BoundPrimitive, BoundFunction>> steps_;
  float* images_ = nullptr;
  float* logits_ = nullptr;
};

}  // namespace narrow
