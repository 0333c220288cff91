// A network as a list of oneDNN primitives over planned memory. Internal to this folder.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "graph/graph.h"
#include "graph/weight_source.h"
#include "nn/aligned_memory.h"
#include "nn/buffer_layout.h"
#include "nn/onednn_support.h"
#include "nn/reference/reference_operators.h"

namespace narrow {

// An argument of a step: a place in the worker's memory, or a constant that workers share.
struct StepArgument {
  int role = 0;  // DNNL_ARG_...
  dnnl::memory::desc desc;
  int buffer = -1;              // index of the buffer, or -1 for a constant
  dnnl::memory constant;        // weights or biases
  std::size_t byte_offset = 0;  // into the buffer
};

// Work on the places of the arguments in their order, constants among them.
using StepFunction = std::function<void(std::span<float* const> places)>;

// A value of any type, row-major.
struct ArrayPlace {
  DType type = DType::kFloat32;
  Shape shape;                                    // nothing is known of it when it is loose
  int buffer = -1;                                // index of the buffer, or -1
  int loose = -1;                                 // of a value whose size follows from others
  std::shared_ptr<const ReferenceTensor> stored;  // a weight or constant

  [[nodiscard]] bool is_there() const { return buffer >= 0 || loose >= 0 || stored != nullptr; }
};

// A node that is computed by its reference operator.
struct ReferenceStep {
  std::string name;  // of the node, for people
  Attributes attributes;
  std::vector<ArrayPlace> inputs;
  std::vector<ArrayPlace> outputs;
};

struct Step {
  std::variant<dnnl::primitive, StepFunction, ReferenceStep> work;
  std::vector<StepArgument> arguments;
  int origin = -1;  // index into InferenceProgram::origins
};

// What steps were made of, for people.
struct StepOrigin {
  std::string operators;  // "Conv+Relu"
  std::string node;       // the name of the first
};

// Made once, then only read; any number of workers execute it at the same time.
struct InferenceProgram {
  dnnl::engine engine;
  std::vector<Step> steps;
  std::vector<AlignedMemory> weight_memory;  // what the constants lie in
  BufferLayout plan;
  int image_buffer = -1;           // micro_batch x height x width x channels
  int logits_buffer = -1;          // micro_batch x classes
  std::vector<ArrayPlace> inputs;  // of the graph
  std::vector<ArrayPlace> outputs;
  int loose_count = 0;
  std::vector<StepOrigin> origins;  // of the steps of any graph
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
  // The program must outlive it.
  explicit InferenceWorker(const InferenceProgram& program);
  // Where the images of the next execution go, and where its logits are.
  [[nodiscard]] float* images() const { return images_; }
  [[nodiscard]] const float* logits() const { return logits_; }
  // Inputs and outputs of a program of any graph.
  void set_input(std::size_t index, std::span<const std::byte> bytes);
  [[nodiscard]] Constant output(std::size_t index) const;
  // To be called under OneDnnThreads(1). Adds the time of each step to that of its origin, unless
  // `seconds` is null.
  void execute(std::vector<double>* seconds = nullptr) {
    execute(0, program_.steps.size(), seconds);
  }
  // The steps from `first` to the one before `last`.
  void execute(std::size_t first, std::size_t last, std::vector<double>* seconds);

 private:
  struct BoundPrimitive {
    const dnnl::primitive* primitive;
    std::unordered_map<int, dnnl::memory> arguments;
  };
  struct BoundFunction {
    const StepFunction* function;
    std::vector<float*> places;
  };
  struct BoundReference {
    const ReferenceStep* step;
  };
  [[nodiscard]] std::byte* place(int buffer, std::size_t byte_offset = 0) const;
  [[nodiscard]] ReferenceTensor read(const ArrayPlace& from) const;
  void write(const ArrayPlace& to, ReferenceTensor value);
  void run(const ReferenceStep& step);
  void execute_step(std::size_t index);

  const InferenceProgram& program_;
  AlignedMemory memory_;
  dnnl::stream stream_;
  std::vector<std::variant<BoundPrimitive, BoundFunction, BoundReference>> steps_;
  std::vector<ReferenceTensor> loose_;
  float* images_ = nullptr;
  float* logits_ = nullptr;
};

}  // namespace narrow
