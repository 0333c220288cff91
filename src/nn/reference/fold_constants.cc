#include "nn/reference/fold_constants.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "graph/dimension_math.h"
#include "graph/matchers.h"
#include "graph/operators.h"
#include "graph/prune_graph.h"
#include "graph/rules/fact_rules.h"
#include "graph/shapes.h"
#include "narrow/error.h"
#include "nn/reference/reference_operators.h"
#include "tensor/element_values.h"

namespace narrow {
namespace {

class Folder {
 public:
  Folder(Graph graph, std::uint64_t most_bytes)
      : graph_(std::move(graph)), bytes_left_(most_bytes) {}

  // A folded node may be what the sizes of later ones were missing: padding that is worked out from
  // sizes, of which the next sizes follow, as tracing exporters write it.
  Graph run() {
    while (fold_once()) {
    }
    remove_unused(graph_);
    return std::move(graph_);
  }

 private:
  // Whether another pass may find more.
  bool fold_once() {
    facts_ = infer_facts(graph_);
    std::vector<Node> kept;
    for (Node& node : graph_.nodes) {
      if (!fold(node)) kept.push_back(std::move(node));
    }
    const bool is_smaller = kept.size() < graph_.nodes.size();
    graph_.nodes = std::move(kept);
    return is_smaller;
  }

  [[nodiscard]] const Fact& fact(ValueId id) const { return facts_[static_cast<std::size_t>(id)]; }

  bool fold(const Node& node) {
    if (!fits(node)) return false;
    std::vector<Constant> results;
    if (reads_constants(node)) {
      results = computed(node);
    } else if (auto known = known_result(node)) {
      results.push_back(std::move(*known));
    } else {
      return false;
    }
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] == kNoValue) continue;
      bytes_left_ -= results[i].bytes.size();
      graph_.values[static_cast<std::size_t>(node.outputs[i])].constant =
          static_cast<int>(graph_.constants.size());
      graph_.constants.push_back(std::move(results[i]));
    }
    return true;
  }

  // Whether the results have known sizes that do not exceed what is left.
  [[nodiscard]] bool fits(const Node& node) const {
    std::uint64_t bytes = 0;
    for (const ValueId id : node.outputs) {
      if (id == kNoValue) continue;
      const Dimension count = product(fact(id).dimensions);
      if (count.is_free()) return false;
      const auto elements = static_cast<std::uint64_t>(count.size);
      if (elements > bytes_left_) return false;
      bytes += elements * element_size(fact(id).type);
    }
    return bytes <= bytes_left_;
  }

  // Loops may take long, and run when they are asked to.
  [[nodiscard]] bool reads_constants(const Node& node) const {
    const bool is_loop = is_any<op::Loop, op::Scan>(node);
    return !is_loop && !node.inputs.empty() && std::ranges::all_of(node.inputs, [&](ValueId id) {
      return id == kNoValue || graph_.constant_of(id) != nullptr;
    });
  }

  [[nodiscard]] std::vector<Constant> computed(const Node& node) const {
    std::vector<ReferenceTensor> inputs(node.inputs.size());
    std::vector<const ReferenceTensor*> read;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const Constant* const constant = graph_.constant_of(node.inputs[i]);
      if (constant != nullptr) inputs[i] = ReferenceTensor::of(*constant);
      read.push_back(constant != nullptr ? &inputs[i] : nullptr);
    }
    try {
      std::vector<Constant> results;
      for (const ReferenceTensor& result : run_operator_results(node.attributes, read)) {
        results.push_back(result.as_constant());
      }
      return results;
    } catch (const Error& error) {
      throw Error(error.category(),
                  fmt::format("{} {} of {}: {}", operator_of(node).name, node.name, graph_.name,
                              error.what()),
                  error.remedy());
    }
  }

  // Integers that follow from sizes.
  [[nodiscard]] std::optional<Constant> known_result(const Node& node) const {
    if (node.outputs.size() != 1) return std::nullopt;
    const Fact& result = fact(node.output());
    const auto integers = known_integers(&result);
    if (!integers || !is_integer(result.type)) return std::nullopt;
    Shape shape;
    for (const Dimension& dimension : result.dimensions) shape.push_back(dimension.size);
    return Constant{result.type, std::move(shape), encode_integers(result.type, *integers)};
  }

  Graph graph_;
  FactTable facts_;
  std::uint64_t bytes_left_;
};

}  // namespace

Graph fold_constants(Graph graph, std::uint64_t most_bytes) {
  return Folder(std::move(graph), most_bytes).run();
}

}  // namespace narrow
