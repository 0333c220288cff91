// Where the values of a graph lie in the program that is being made. Internal to this folder.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "graph/facts.h"
#include "graph/graph.h"
#include "graph/shapes.h"
#include "nn/executor.h"
#include "nn/inference/program_builder.h"
#include "nn/reference/reference_network.h"

namespace narrow {

// A value in one layout.
struct HeldValue {
  DType type = DType::kFloat32;
  Shape shape;
  bool blocked = false;  // float32 images whose channels lie together in blocks of this CPU
  int buffer = -1;
  int loose = -1;                                 // of a value whose size follows from others
  std::shared_ptr<const ReferenceTensor> stored;  // a weight, a constant or made of such

  [[nodiscard]] bool is_there() const { return buffer >= 0 || loose >= 0 || stored != nullptr; }
};

// float32 of this shape, row-major; of one axis when it has none.
dnnl::memory::desc plain_desc(const Shape& shape);
// [N, channels, axes...] in blocks of channels, with one to three axes.
dnnl::memory::desc blocked_desc(const Shape& shape);
bool can_be_blocked(const Shape& shape);
dnnl::memory::desc desc_of(const HeldValue& value);
// The axes in memory: of a blocked value [N, blocks, axes..., channels of a block].
Shape axes_in_memory(const HeldValue& value);

// An argument of a step that reads or writes the value, which has a buffer.
StepArgument argument(const HeldValue& value, int role = 0);

std::vector<float> as_floats(const ReferenceTensor& x);

class ProgramValues {
 public:
  // The graph must outlive it; inputs are as its facts say. Weights are read when they are needed.
  ProgramValues(const Graph& graph, FactTable facts, ReadWeight read_weight);

  [[nodiscard]] const Graph& graph() const { return graph_; }
  [[nodiscard]] ProgramBuilder& builder() { return builder_; }
  [[nodiscard]] const dnnl::engine& engine() const { return builder_.engine(); }

  // Sizes that are known.
  [[nodiscard]] std::optional<Shape> shape_of(ValueId id) const;
  [[nodiscard]] const Fact& fact(ValueId id) const { return facts_[static_cast<std::size_t>(id)]; }
  [[nodiscard]] DType type_of(ValueId id) const { return fact(id).type; }
  // Whether it is of this type, of a known size, not empty, and either stored or in a buffer.
  [[nodiscard]] bool is_array(ValueId id, DType type = DType::kFloat32) const;

  [[nodiscard]] const HeldValue& at(ValueId id);
  [[nodiscard]] bool is_blocked(ValueId id) const { return held(id).blocked; }
  // Whether it is known when the program is made.
  [[nodiscard]] bool is_stored(ValueId id) const;
  // Its elements; null when it is not stored.
  [[nodiscard]] std::shared_ptr<const ReferenceTensor> stored(ValueId id);

  // The same of a stored float32 value; large weights are not held for it in another type.
  std::vector<float> stored_floats(ValueId id);

  // Gives back the memory of the weights that the node reads; they are read again when needed.
  void forget_weights(const Node& node);

  // In one layout, converted at most once.
  HeldValue plain(ValueId id);
  HeldValue blocked(ValueId id);
  // Row-major, as an argument of a function or of a primitive; stored values too.
  StepArgument plain_argument(ValueId id, int role = 0);
  ArrayPlace place(ValueId id);

  // The result of the step that is added next.
  HeldValue define(ValueId id, bool blocked = false);
  // The value has the elements of `of` in their order.
  void define_view(ValueId id, HeldValue of);
  void define_stored(ValueId id, ReferenceTensor elements);
  void define_input(ValueId id);
  void define_loose(ValueId id);

  // Whether nothing reads its memory after the node at `position`, so that it may be written to.
  void set_last_use(ValueId id, int position);
  [[nodiscard]] bool is_free_after(const HeldValue& value, int position) const;

  InferenceProgram finish();

 private:
  [[nodiscard]] const HeldValue& held(ValueId id) const {
    return held_[static_cast<std::size_t>(id)];
  }
  HeldValue reordered(const HeldValue& value, const StepArgument& from, bool blocked);

  const Graph& graph_;
  FactTable facts_;
  ReadWeight read_weight_;
  ProgramBuilder builder_;
  std::vector<HeldValue> held_;       // by ValueId
  std::vector<HeldValue> converted_;  // in the other layout
  std::vector<dnnl::memory> constants_;
  std::vector<int> last_use_;
};

}  // namespace narrow
