#include "methods/activations/quantizer_places.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "base/name_pattern.h"
#include "graph/matchers.h"
#include "graph/shapes.h"
#include "narrow/error.h"
#include "nn/integer/quantized_steps.h"

namespace narrow {
namespace {

class PlaceFinder {
 public:
  PlaceFinder(const Graph& graph, bool all_linear)
      : graph_(graph),
        all_linear_(all_linear),
        facts_(infer_facts(graph)),
        depends_(graph.values.size(), false),
        is_wanted_(graph.values.size(), false),
        group_(graph.values.size()) {
    std::iota(group_.begin(), group_.end(), 0);
  }

  std::vector<QuantizerGroup> run() {
    std::vector<ValueId> made = graph_.inputs;
    for (const ValueId id : graph_.inputs) set(depends_, id);
    for (const Node& node : graph_.nodes) {
      const bool depends =
          std::ranges::any_of(node.inputs, [&](ValueId id) { return has(depends_, id); });
      for (const ValueId id : node.outputs) {
        if (id == kNoValue) continue;
        made.push_back(id);
        if (depends) set(depends_, id);
      }
    }
    for (const Node& node : graph_.nodes) want_operands(node);
    // What moves is wanted before it moved.
    for (auto node = graph_.nodes.rbegin(); node != graph_.nodes.rend(); ++node) {
      if (only_moves(*node)) follow(*node);
    }
    std::map<int, std::size_t> places;
    std::vector<QuantizerGroup> groups;
    for (const ValueId id : made) {
      if (!has(is_wanted_, id)) continue;
      const auto [place, is_new] = places.try_emplace(root(id), groups.size());
      if (is_new) groups.emplace_back();
      groups[place->second].values.push_back(id);
    }
    return groups;
  }

 private:
  static bool has(const std::vector<bool>& set, ValueId id) {
    return id != kNoValue && set[static_cast<std::size_t>(id)];
  }
  static void set(std::vector<bool>& to, ValueId id) { to[static_cast<std::size_t>(id)] = true; }

  // Numbers that depend on the inputs.
  [[nodiscard]] bool may_be_codes(ValueId id) const {
    return has(depends_, id) && facts_[static_cast<std::size_t>(id)].type == DType::kFloat32;
  }

  [[nodiscard]] bool has_stored_codes(const Node& node) const {
    if (node.inputs.size() < 2) return false;
    if (all_linear_) return !has(depends_, node.inputs[1]);
    const int producer = graph_.producer(node.inputs[1]);
    return producer >= 0 &&
           is_any<op::DequantizeLinear>(graph_.nodes[static_cast<std::size_t>(producer)]) &&
           !has(depends_, node.inputs[1]);
  }

  void want_operands(const Node& node) {
    std::size_t count = 0;
    if (is_any<op::Conv, op::ConvTranspose, op::Gemm, op::MatMul>(node) && has_stored_codes(node)) {
      count = 1;
    } else if (is_any<op::GlobalAveragePool, op::AveragePool>(node)) {
      count = 1;
    } else if (is_any<op::Add, op::MatMul>(node) || multiplies_elements(node)) {
      count = 2;
    } else if (is_any<op::Concat>(node)) {
      count = node.inputs.size();
    }
    const auto first = node.inputs.begin();
    const auto last = first + static_cast<std::ptrdiff_t>(count);
    if (!std::all_of(first, last, [&](ValueId id) { return may_be_codes(id); })) return;
    std::for_each(first, last, [&](ValueId id) { set(is_wanted_, id); });
  }

  void follow(const Node& node) {
    const bool all = is_any<op::Concat>(node);
    const std::size_t count = all ? node.inputs.size() : 1;
    for (const ValueId to : node.outputs) {
      if (!has(is_wanted_, to)) continue;
      for (std::size_t i = 0; i < count; ++i) {
        if (!may_be_codes(node.inputs[i])) continue;
        set(is_wanted_, node.inputs[i]);
        group_[static_cast<std::size_t>(root(node.inputs[i]))] = root(to);
      }
    }
  }

  int root(ValueId id) {
    while (group_[static_cast<std::size_t>(id)] != id) id = group_[static_cast<std::size_t>(id)];
    return id;
  }

  const Graph& graph_;
  bool all_linear_;
  FactTable facts_;
  std::vector<bool> depends_;    // by ValueId: on the inputs
  std::vector<bool> is_wanted_;  // by ValueId
  std::vector<ValueId> group_;   // by ValueId: another one of the group, or itself
};

}  // namespace

std::vector<QuantizerGroup> quantizer_groups(const Graph& graph) {
  return PlaceFinder(graph, false).run();
}

std::vector<QuantizerGroup> future_quantizer_groups(const Graph& graph) {
  return PlaceFinder(graph, true).run();
}

ActivationScheme scheme_of(const Graph& graph, const QuantizerGroup& group,
                           const ActivationScheme& base, const std::vector<ActivationRule>& rules) {
  for (const ActivationRule& rule : rules) {
    for (const ValueId id : group.values) {
      if (name_matches(rule.pattern, graph.value(id).name)) return rule.scheme;
    }
  }
  return base;
}

void require_matches(const Graph& graph, const std::vector<QuantizerGroup>& groups,
                     const std::vector<ActivationRule>& rules) {
  for (const ActivationRule& rule : rules) {
    const auto matches = [&](const QuantizerGroup& group) {
      return std::ranges::any_of(group.values, [&](ValueId id) {
        return name_matches(rule.pattern, graph.value(id).name);
      });
    };
    if (rule.may_match_none || std::ranges::any_of(groups, matches)) continue;
    throw Error(ErrorCategory::kUsage,
                fmt::format("no value between operators that becomes codes matches '{}' of the "
                            "rules for activations",
                            rule.pattern));
  }
}

}  // namespace narrow
