#include "graph/graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "graph/constants.h"
#include "graph/operators.h"
#include "narrow/error.h"

namespace narrow {
namespace {

class Checker {
 public:
  explicit Checker(const Graph& graph) : graph_(graph), known_(graph.values.size(), false) {}

  void run() {
    std::set<std::string_view> names;
    for (std::size_t id = 0; id < graph_.values.size(); ++id) {
      check_stored(id);
      const std::string_view name = graph_.values[id].name;
      require(names.insert(name).second, name, "has the name of another value");
    }
    for (const ValueId id : graph_.inputs) define(id, "the inputs of the graph");
    names.clear();
    for (const Node& node : graph_.nodes) {
      check_node(node);
      require(names.insert(node.name).second, node.name, "has the name of another node");
    }
    for (const ValueId id : graph_.outputs) use(id, "the outputs of the graph");
    names.clear();
    for (const Weight& weight : graph_.weights) {
      require(names.insert(weight.name).second, weight.name, "is the name of two weights");
      require(weight.layout == WeightLayout::kAsUsed || weight.shape.size() == 4, weight.name,
              fmt::format("has {} axes, stored as HWIO it has 4", weight.shape.size()));
    }
  }

 private:
  static void require(bool holds, std::string_view who, const std::string& what) {
    if (!holds) throw Error(ErrorCategory::kCorrupt, fmt::format("{}: {}", who, what));
  }

  void check_stored(std::size_t id) {
    const Value& value = graph_.values[id];
    if (value.weight < 0 && value.constant < 0) return;
    require(value.weight < 0 || value.constant < 0, value.name, "is a weight and a constant");
    require(value.weight < 0 || static_cast<std::size_t>(value.weight) < graph_.weights.size(),
            value.name, "refers to a weight that the graph does not have");
    require(
        value.constant < 0 || static_cast<std::size_t>(value.constant) < graph_.constants.size(),
        value.name, "refers to a constant that the graph does not have");
    if (value.constant >= 0) {
      try {
        narrow::check(graph_.constants[static_cast<std::size_t>(value.constant)]);
      } catch (const Error& error) {
        require(false, value.name, error.what());
      }
    }
    known_[id] = true;
  }

  void check_node(const Node& node) {
    const Operator& row = operator_of(node);
    require(node.inputs.size() >= row.fewest_inputs && node.inputs.size() <= row.most_inputs,
            node.name,
            fmt::format("{} with {} inputs, expected {} to {}", row.name, node.inputs.size(),
                        row.fewest_inputs, row.most_inputs));
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i] == kNoValue && i >= row.fewest_inputs) continue;
      use(node.inputs[i], node.name);
    }
    if (const Window* window = window_of(node)) check_window(node, *window);
    require(!node.outputs.empty() && node.outputs.size() <= row.most_outputs, node.name,
            fmt::format("{} with {} outputs, expected 1 to {}", row.name, node.outputs.size(),
                        row.most_outputs));
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] != kNoValue || i == 0) define(node.outputs[i], node.name);
    }
  }

  static void check_window(const Node& node, const Window& window) {
    const std::size_t rank = window.rank();
    require(rank > 0 && window.strides.size() == rank && window.dilations.size() == rank &&
                window.pads.size() == 2 * rank,
            node.name, "kernel, strides, dilations and padding are not of one rank");
    const auto is_positive = [](std::int64_t value) { return value > 0 && value <= kMostOfAxis; };
    const auto is_padding = [](std::int64_t value) { return value >= 0 && value <= kMostOfAxis; };
    require(
        std::ranges::all_of(window.kernel, is_positive) &&
            std::ranges::all_of(window.strides, is_positive) &&
            std::ranges::all_of(window.dilations, is_positive) &&
            std::ranges::all_of(window.pads, is_padding),
        node.name,
        fmt::format("kernel, strides and dilations are 1 to {0}, padding 0 to {0}", kMostOfAxis));
  }

  void use(ValueId id, std::string_view who) const {
    require(in_range(id) && known_[static_cast<std::size_t>(id)], who,
            "uses a value that no node before it makes");
  }
  void define(ValueId id, std::string_view who) {
    require(in_range(id) && !known_[static_cast<std::size_t>(id)], who,
            "makes a value that is made already");
    known_[static_cast<std::size_t>(id)] = true;
  }
  [[nodiscard]] bool in_range(ValueId id) const {
    return id >= 0 && static_cast<std::size_t>(id) < known_.size();
  }

  // So that products of two of them and a size of memory fit into 64 bits.
  static constexpr std::int64_t kMostOfAxis = 1 << 20;

  const Graph& graph_;
  std::vector<bool> known_;
};

}  // namespace

Dimension Dimension::free(std::string symbol) {
  Dimension dimension;
  dimension.symbol = std::move(symbol);
  return dimension;
}

std::string to_string(const Dimensions& dimensions) {
  std::string text = "[";
  for (const Dimension& dimension : dimensions) {
    if (text.size() > 1) text += ", ";
    if (!dimension.is_free()) {
      text += std::to_string(dimension.size);
    } else {
      text += dimension.symbol.empty() ? "?" : dimension.symbol;
    }
  }
  return text + "]";
}

bool is_trainable(WeightRole role) noexcept {
  return role != WeightRole::kMovingMean && role != WeightRole::kMovingVariance;
}

bool is_regularized(WeightRole role) noexcept { return role == WeightRole::kKernel; }

Shape Weight::used_shape() const {
  if (layout == WeightLayout::kAsUsed) return shape;
  return {shape.at(3), shape.at(2), shape.at(0), shape.at(1)};
}

const Weight* Graph::weight_of(ValueId id) const {
  if (id == kNoValue || value(id).weight < 0) return nullptr;
  return &weights[static_cast<std::size_t>(value(id).weight)];
}

const Constant* Graph::constant_of(ValueId id) const {
  if (id == kNoValue || value(id).constant < 0) return nullptr;
  return &constants[static_cast<std::size_t>(value(id).constant)];
}

bool Graph::is_stored(ValueId id) const {
  return weight_of(id) != nullptr || constant_of(id) != nullptr;
}

int Graph::producer(ValueId id) const {
  if (id == kNoValue) return -1;
  const auto makes = [&](const Node& node) {
    return std::ranges::find(node.outputs, id) != node.outputs.end();
  };
  const auto found = std::ranges::find_if(nodes, makes);
  return found == nodes.end() ? -1 : static_cast<int>(found - nodes.begin());
}

void check(const Graph& graph) { Checker(graph).run(); }

}  // namespace narrow
