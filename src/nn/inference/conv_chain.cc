#include <algorithm>
#include <optional>
#include <utility>

#include "graph/matchers.h"
#include "graph/operators.h"
#include "graph/rules/fact_rules.h"
#include "nn/inference/conv_step.h"

namespace narrow {
namespace {

using dnnl::algorithm;

constexpr std::size_t kMostElementSteps = 8;

std::optional<ElementStep> element_step_of(const Node& node) {
  const auto step = [](algorithm how, double alpha = 0, double beta = 0) {
    return ElementStep{ElementKind::kEltwise, how, static_cast<float>(alpha),
                       static_cast<float>(beta)};
  };
  if (std::holds_alternative<op::Relu>(node.attributes)) return step(algorithm::eltwise_relu);
  if (const auto* unary = std::get_if<op::Unary>(&node.attributes)) {
    if (unary->kind == op::UnaryKind::kSigmoid) return step(algorithm::eltwise_logistic);
    if (unary->kind == op::UnaryKind::kTanh) return step(algorithm::eltwise_tanh);
    if (unary->kind == op::UnaryKind::kHardSwish) return step(algorithm::eltwise_hardswish);
    if (unary->kind == op::UnaryKind::kMish) return step(algorithm::eltwise_mish);
  }
  if (const auto* activation = std::get_if<op::Activation>(&node.attributes)) {
    using enum op::ActivationKind;
    const double alpha = activation->alpha;
    if (activation->kind == kLeakyRelu) return step(algorithm::eltwise_relu, alpha);
    if (activation->kind == kElu) return step(algorithm::eltwise_elu, alpha);
    if (activation->kind == kSwish) return step(algorithm::eltwise_swish, alpha);
    if (activation->kind == kGelu) return step(algorithm::eltwise_gelu_erf);
    if (activation->kind == kGeluTanh) return step(algorithm::eltwise_gelu_tanh);
  }
  return std::nullopt;
}

algorithm algorithm_of(const ElementStep& step) {
  if (step.kind == ElementKind::kEltwise) return step.how;
  return step.kind == ElementKind::kClip ? algorithm::eltwise_clip : algorithm::eltwise_linear;
}

// Whether the step can come after these. Several linear ones in a row become one; otherwise
// oneDNN's kernels have room for the numbers of one function of a kind only.
bool can_follow(const std::vector<ElementStep>& steps, const ElementStep& step) {
  const algorithm how = algorithm_of(step);
  if (how == algorithm::eltwise_linear && !steps.empty() && algorithm_of(steps.back()) == how) {
    return true;
  }
  return std::ranges::none_of(steps,
                              [&](const ElementStep& other) { return algorithm_of(other) == how; });
}

class ChainFinder {
 public:
  ChainFinder(const Graph& graph, const FactTable& facts)
      : graph_(graph),
        facts_(facts),
        uses_(graph),
        known_(known_values(graph)),
        taken_(graph.nodes.size(), false) {}

  std::vector<ConvChain> run() {
    std::vector<ConvChain> chains;
    // A sum goes to the later of its operands, which is the first to be asked here.
    for (std::size_t i = graph_.nodes.size(); i-- > 0;) {
      const Node& node = graph_.nodes[i];
      const bool is_conv = std::holds_alternative<op::Conv>(node.attributes) ||
                           std::holds_alternative<op::ConvTranspose>(node.attributes);
      if ((!is_conv && !is_product(node)) || is_known(node.inputs[0])) continue;
      if (!std::all_of(node.inputs.begin() + 1, node.inputs.end(),
                       [&](ValueId id) { return id == kNoValue || is_known(id); })) {
        continue;
      }
      chains.push_back(follow(static_cast<int>(i)));
      for (const int taken : chains.back().nodes) taken_[static_cast<std::size_t>(taken)] = true;
    }
    return chains;
  }

 private:
  [[nodiscard]] bool is_known(ValueId id) const { return known_[static_cast<std::size_t>(id)]; }
  // Rows times one matrix, plus one number a column if anything.
  [[nodiscard]] bool is_product(const Node& node) const {
    if (std::holds_alternative<op::MatMul>(node.attributes)) {
      return dimensions(node.inputs[0]).size() >= 2 && dimensions(node.inputs[1]).size() == 2;
    }
    const auto* const gemm = std::get_if<op::Gemm>(&node.attributes);
    if (gemm == nullptr || gemm->alpha != 1 || gemm->transpose_a) return false;
    if (node.inputs.size() < 3 || node.inputs[2] == kNoValue) return true;
    const Dimensions& biases = dimensions(node.inputs[2]);
    const Dimension& columns = dimensions(node.output()).back();
    return gemm->beta == 1 && !biases.empty() && biases.back() == columns &&
           (biases.size() == 1 || biases.front().size == 1);
  }
  // Of the chain's value.
  [[nodiscard]] std::size_t channel_axis(const ConvChain& chain) const {
    return is_product(node_at(chain.conv)) ? dimensions(chain.output).size() - 1 : 1;
  }
  [[nodiscard]] const Dimensions& dimensions(ValueId id) const {
    return facts_[static_cast<std::size_t>(id)].dimensions;
  }
  [[nodiscard]] const Node& node_at(int i) const {
    return graph_.nodes[static_cast<std::size_t>(i)];
  }
  // The only node that reads the value, unless a chain has it.
  [[nodiscard]] int next(ValueId id) const {
    const int user = uses_.only_user(id);
    return user >= 0 && !taken_[static_cast<std::size_t>(user)] ? user : -1;
  }

  ConvChain follow(int conv) {
    ConvChain chain;
    chain.conv = conv;
    chain.nodes = {conv};
    chain.output = node_at(conv).output();
    if (facts_[static_cast<std::size_t>(chain.output)].type != DType::kFloat32) return chain;
    while (take_affine(chain)) {
    }
    take_addend(chain);
    while (chain.elements.size() < kMostElementSteps && (take_gate(chain) || take_element(chain))) {
    }
    return chain;
  }

  static void take(ConvChain& chain, int node, ValueId output) {
    chain.nodes.push_back(node);
    chain.output = output;
  }

  // The operand of the node beside the chain's value, if it is known; `is_first` tells where.
  [[nodiscard]] ValueId known_operand(const Node& node, ValueId value, bool& is_first) const {
    is_first = node.inputs[0] != value;
    const ValueId other = node.inputs[is_first ? 0 : 1];
    const std::size_t rank = dimensions(value).size();
    return is_known(other) && dimensions(other).size() <= rank ? other : kNoValue;
  }

  [[nodiscard]] bool has_one_element(ValueId id) const {
    return std::ranges::all_of(dimensions(id), [](const Dimension& d) { return d.size == 1; });
  }
  // One element, or one a channel of `value`.
  [[nodiscard]] bool is_by_channel(ValueId id, ValueId value, std::size_t axis) const {
    const Dimensions& own = dimensions(id);
    const std::size_t rank = dimensions(value).size();
    for (std::size_t i = 0; i < own.size(); ++i) {
      const bool is_channel = i + rank == own.size() + axis;
      if (own[i].size != 1 && !(is_channel && own[i] == dimensions(value)[axis])) return false;
    }
    return true;
  }

  bool take_affine(ConvChain& chain) {
    const int i = next(chain.output);
    if (i < 0) return false;
    const Node& node = node_at(i);
    if (const auto* norm = std::get_if<op::BatchNormalization>(&node.attributes)) {
      if (norm->training_mode || node.outputs.size() != 1 || node.inputs[0] != chain.output ||
          channel_axis(chain) != 1 ||
          !std::all_of(node.inputs.begin() + 1, node.inputs.end(),
                       [&](ValueId id) { return is_known(id); })) {
        return false;
      }
    } else {
      const auto* binary = std::get_if<op::Binary>(&node.attributes);
      const bool is_linear = binary != nullptr && (binary->kind == op::BinaryKind::kSub ||
                                                   binary->kind == op::BinaryKind::kMul ||
                                                   binary->kind == op::BinaryKind::kDiv);
      if (!is_linear && !std::holds_alternative<op::Add>(node.attributes)) return false;
      bool is_first = false;
      const ValueId other = known_operand(node, chain.output, is_first);
      if (other == kNoValue || !is_by_channel(other, chain.output, channel_axis(chain)))
        return false;
      if (is_first && binary != nullptr && binary->kind == op::BinaryKind::kDiv) return false;
    }
    chain.affine.push_back(i);
    take(chain, i, node.output());
    return true;
  }

  void take_addend(ConvChain& chain) {
    const int i = next(chain.output);
    if (i < 0 || !std::holds_alternative<op::Add>(node_at(i).attributes)) return;
    const Node& node = node_at(i);
    const ValueId other = node.inputs[node.inputs[0] == chain.output ? 1 : 0];
    if (other == chain.output || is_known(other)) return;
    if (dimensions(other) != dimensions(chain.output)) return;
    if (std::ranges::any_of(dimensions(other), &Dimension::is_free)) return;
    chain.addend = other;
    take(chain, i, node.output());
  }

  bool take_element(ConvChain& chain) {
    const int i = next(chain.output);
    if (i < 0) return false;
    const Node& node = node_at(i);
    std::optional<ElementStep> step = element_step_of(node);
    if (!step) step = scalar_step(node, chain.output);
    if (!step) step = clip_step(node, chain.output);
    if (!step || node.inputs[0] == kNoValue || !can_follow(chain.elements, *step)) return false;
    const auto* const activation = std::get_if<op::Activation>(&node.attributes);
    const ElementStep between_0_and_1{ElementKind::kEltwise, algorithm::eltwise_clip, 0, 1};
    const bool is_hard_sigmoid =
        activation != nullptr && activation->kind == op::ActivationKind::kHardSigmoid;
    if (is_hard_sigmoid && !can_follow(chain.elements, between_0_and_1)) return false;
    chain.elements.push_back(*step);
    if (is_hard_sigmoid) chain.elements.push_back(between_0_and_1);
    take(chain, i, node.output());
    return true;
  }

  [[nodiscard]] std::optional<ElementStep> clip_step(const Node& node, ValueId value) const {
    if (const auto* activation = std::get_if<op::Activation>(&node.attributes)) {
      if (activation->kind != op::ActivationKind::kHardSigmoid) return std::nullopt;
      return ElementStep{ElementKind::kEltwise, algorithm::eltwise_linear,
                         static_cast<float>(activation->alpha),
                         static_cast<float>(activation->beta)};
    }
    if (!std::holds_alternative<op::Clip>(node.attributes) || node.inputs[0] != value) {
      return std::nullopt;
    }
    ElementStep step{ElementKind::kClip};
    for (std::size_t i = 1; i < node.inputs.size(); ++i) {
      if (node.inputs[i] == kNoValue) continue;
      if (!is_known(node.inputs[i])) return std::nullopt;
      (i == 1 ? step.first : step.second) = node.inputs[i];
    }
    return step;
  }

  [[nodiscard]] std::optional<ElementStep> scalar_step(const Node& node, ValueId value) const {
    const bool is_add = std::holds_alternative<op::Add>(node.attributes);
    const auto* const binary = std::get_if<op::Binary>(&node.attributes);
    if (!is_add && binary == nullptr) return std::nullopt;
    bool is_first = false;
    const ValueId other = known_operand(node, value, is_first);
    if (other == kNoValue || !has_one_element(other)) return std::nullopt;
    ElementStep step{is_add ? ElementKind::kAdd : ElementKind::kMultiply};
    step.first = other;
    if (is_add || binary->kind == op::BinaryKind::kMul) return step;
    if (binary->kind == op::BinaryKind::kSub) {
      step.kind = is_first ? ElementKind::kSubtractFrom : ElementKind::kSubtract;
      return step;
    }
    step.kind = ElementKind::kDivide;
    return binary->kind == op::BinaryKind::kDiv && !is_first ? std::optional(step) : std::nullopt;
  }

  // x * gate(x), where nothing but the product reads the gate: Swish and HardSwish written out.
  bool take_gate(ConvChain& chain) {
    const std::vector<int>& users = uses_.users(chain.output);
    if (users.size() != 2 || users[0] == users[1] || uses_.is_output(chain.output)) return false;
    std::vector<int> nodes = {users[0]};
    const std::vector<ElementStep> steps = gated(nodes);
    nodes.push_back(users[1]);
    const auto* const binary = std::get_if<op::Binary>(&node_at(users[1]).attributes);
    const bool is_free = std::ranges::none_of(
        nodes, [&](int node) { return taken_[static_cast<std::size_t>(node)]; });
    if (steps.empty() || !is_free || binary == nullptr || binary->kind != op::BinaryKind::kMul ||
        uses_.only_user(node_at(nodes[nodes.size() - 2]).output()) != users[1]) {
      return false;
    }
    std::vector<ElementStep> elements = chain.elements;
    for (const ElementStep& step : steps) {
      if (!can_follow(elements, step)) return false;
      elements.push_back(step);
    }
    chain.elements = std::move(elements);
    for (const int node : nodes) take(chain, node, node_at(node).output());
    return true;
  }

  // What the product with x is of a gate that begins with the node; the rest of the gate's nodes is
  // appended. Nothing for other gates.
  std::vector<ElementStep> gated(std::vector<int>& nodes) const {
    constexpr double kSix = 6;
    constexpr double kTolerance = 1e-7;
    const ElementStep hard_swish{ElementKind::kEltwise, algorithm::eltwise_hardswish};
    const Node& gate = node_at(nodes[0]);
    if (const auto* unary = std::get_if<op::Unary>(&gate.attributes)) {
      if (unary->kind != op::UnaryKind::kSigmoid) return {};
      return {{ElementKind::kEltwise, algorithm::eltwise_swish, 1}};
    }
    if (const auto* activation = std::get_if<op::Activation>(&gate.attributes)) {
      const bool is_same = activation->kind == op::ActivationKind::kHardSigmoid &&
                           activation->beta == 0.5 &&
                           std::abs(activation->alpha - 1 / kSix) <= kTolerance;
      return is_same ? std::vector{hard_swish} : std::vector<ElementStep>();
    }
    // clip(x + 3, 0, 6), which may be divided by 6 at once.
    if (!std::holds_alternative<op::Add>(gate.attributes)) return {};
    if (number(gate.inputs[1]) != kSix / 2 && number(gate.inputs[0]) != kSix / 2) return {};
    const int clip = next(gate.output());
    if (clip < 0 || !std::holds_alternative<op::Clip>(node_at(clip).attributes)) return {};
    const std::vector<ValueId>& limits = node_at(clip).inputs;
    if (limits.size() != 3 || number(limits[1]) != 0 || number(limits[2]) != kSix) return {};
    nodes.push_back(clip);
    const int over = next(node_at(clip).output());
    const auto* const binary =
        over < 0 ? nullptr : std::get_if<op::Binary>(&node_at(over).attributes);
    if (binary != nullptr && binary->kind == op::BinaryKind::kDiv &&
        node_at(over).inputs[0] == node_at(clip).output() &&
        number(node_at(over).inputs[1]) == kSix) {
      nodes.push_back(over);
      return {hard_swish};
    }
    return {hard_swish, {ElementKind::kEltwise, algorithm::eltwise_linear, kSix}};
  }

  [[nodiscard]] std::optional<double> number(ValueId id) const {
    return id == kNoValue ? std::nullopt : known_number(facts_[static_cast<std::size_t>(id)]);
  }

  const Graph& graph_;
  const FactTable& facts_;
  ValueUses uses_;
  std::vector<bool> known_;
  std::vector<bool> taken_;  // by node: whether a chain has it
};

}  // namespace

ConvChains::ConvChains(std::vector<ConvChain> chains, std::size_t node_count)
    : chains_(std::move(chains)), owners_(node_count, -1) {
  for (std::size_t i = 0; i < chains_.size(); ++i) {
    for (const int node : chains_[i].nodes) {
      owners_[static_cast<std::size_t>(node)] = static_cast<int>(i);
    }
  }
}

ConvChains find_conv_chains(const Graph& graph, const FactTable& facts) {
  return {ChainFinder(graph, facts).run(), graph.nodes.size()};
}

}  // namespace narrow
