// Examples taken through a graph as far as somebody wants to look, again and again, while its
// weights change.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "graph/shapes.h"
#include "nn/executor.h"

namespace narrow {

class CompiledGraph;

// Arrays for the inputs of a graph, in its order, some examples after the others. Several walks may
// share them.
using ExampleBatches = std::shared_ptr<const std::vector<GraphArrays>>;

// Of arrays that have as many examples, along their first axis, GraphWalk::kBatch at a time. Throws
// Error(kUnsupported) for arrays that do not.
ExampleBatches batches_of(const GraphArrays& arrays);

// Keeps the values on a cut through the graph for all examples, and computes from there on. What
// lies before the cut is not computed again, so weights are to change behind it only.
class GraphWalk {
 public:
  // Examples that go through the graph together.
  static constexpr std::int64_t kBatch = 16;

  // Values of some nodes, for one batch after the other.
  class Program {
   public:
    // `given`: the value of a program_behind().
    [[nodiscard]] GraphArrays run(std::size_t batch, const GraphArray& given = {}) const;

   private:
    friend class GraphWalk;
    const GraphWalk* walk_ = nullptr;
    std::vector<ValueId> wanted_;
    ValueId given_ = kNoValue;
    std::vector<ValueId> computed_;  // those of them that are neither kept nor given
    std::shared_ptr<const CompiledGraph> compiled_;  // null: everything is kept
  };

  // The examples of `graph` are independent (graph/rules/batch_axis.h) and counted by a free first
  // dimension, the same of all inputs; all other sizes are known. `examples` is all of them.
  // `read_weight` is asked anew for each program. The graph must outlive this. Throws what
  // infer_facts throws.
  GraphWalk(const Graph& graph, ReadWeight read_weight, ExampleBatches examples);

  [[nodiscard]] std::size_t batches() const { return kept_->size(); }
  // Of all batches.
  [[nodiscard]] std::size_t examples() const { return static_cast<std::size_t>(examples_); }
  // Whether the value has an entry for each example and known sizes otherwise.
  [[nodiscard]] bool has_examples(ValueId id) const;
  // Float32 or not; dimensions as inferred.
  [[nodiscard]] const Fact& fact(ValueId id) const { return facts_[static_cast<std::size_t>(id)]; }

  // For values that have examples, with the weights of now. Holds until the cut moves. Throws
  // Error(kUnsupported) for a graph that cannot be compiled.
  [[nodiscard]] Program program(std::span<const ValueId> wanted) const;

  // The same from a value behind the cut that is given, and has examples; what makes it is not
  // computed.
  [[nodiscard]] Program program_behind(ValueId given, std::span<const ValueId> wanted) const;

  // Moves the cut forward to just before this node, if what lies on it then takes no more bytes
  // for all examples; else the cut stays.
  void advance(int node, std::uint64_t most_bytes);

 private:
  // Made before `node` and read from there on, in order.
  [[nodiscard]] std::vector<ValueId> live_before(int node) const;
  [[nodiscard]] Graph part(const std::vector<ValueId>& given,
                           const std::vector<ValueId>& wanted) const;

  const Graph& graph_;
  ReadWeight read_weight_;
  FactTable facts_;
  Dimension example_;
  std::int64_t examples_ = 0;
  int first_node_ = 0;
  std::vector<ValueId> cut_;
  ExampleBatches kept_;  // in the order of the cut
};

}  // namespace narrow
