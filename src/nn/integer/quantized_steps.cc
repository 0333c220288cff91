// A step begins at an operator whose operands come out of DequantizeLinear and goes on through what
// only bounds its result to the QuantizeLinear that reads it. Everything else is computed as the
// operator pages say; for what only moves codes, and for functions of one element, that is the same
// to the bit.
#include "nn/integer/quantized_steps.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "graph/matchers.h"
#include "graph/operators/small_types.h"
#include "nn/integer/code_bounds.h"
#include "nn/integer/requantization.h"

namespace narrow {
namespace {

constexpr std::int64_t kMostTableBits = 16;

bool is_linear(const Node& node) {
  const auto* const gemm = std::get_if<op::Gemm>(&node.attributes);
  const auto* const transposed = std::get_if<op::ConvTranspose>(&node.attributes);
  return std::holds_alternative<op::Conv>(node.attributes) ||
         (transposed != nullptr && transposed->group == 1) ||
         std::holds_alternative<op::MatMul>(node.attributes) ||
         (gemm != nullptr && gemm->alpha == 1 && gemm->beta == 1 && !gemm->transpose_a);
}

bool is_mean(const Node& node) { return is_any<op::GlobalAveragePool, op::AveragePool>(node); }

// Of one operand and without regard to others.
bool is_function(const Node& node) {
  return is_any<op::Relu, op::Clip, op::Unary, op::Activation, op::Identity>(node);
}

}  // namespace

bool only_moves(const Node& node) {
  const auto* const resize = std::get_if<op::Resize>(&node.attributes);
  return (resize != nullptr && resize->mode == op::ResizeMode::kNearest) ||
         is_any<op::Identity, op::Reshape, op::Flatten, op::Squeeze, op::Unsqueeze, op::Transpose,
                op::MaxPool, op::GlobalMaxPool, op::Slice, op::Split, op::DepthToSpace,
                op::SpaceToDepth, op::Concat>(node);
}

bool multiplies_elements(const Node& node) {
  const auto* const binary = std::get_if<op::Binary>(&node.attributes);
  return binary != nullptr && binary->kind == op::BinaryKind::kMul;
}

std::size_t output_axis(const Node& node, std::size_t rank) {
  if (std::holds_alternative<op::Conv>(node.attributes)) return 0;
  if (std::holds_alternative<op::ConvTranspose>(node.attributes)) return 1;
  const auto* const gemm = std::get_if<op::Gemm>(&node.attributes);
  return gemm != nullptr && gemm->transpose_b ? 0 : rank - 1;
}

std::int64_t centered_code(float value, const IntegerFormat& format) {
  return nearest_code(value / format.scale, format);
}

class QuantizedGraph::Finder {
 public:
  explicit Finder(QuantizedGraph& found) : found_(found), graph_(found.graph_), uses_(graph_) {}

  void run() {
    is_taken_.assign(graph_.nodes.size(), false);
    find_formats();
    std::map<int, QuantizedStep> steps;  // by the node at whose place they are computed
    for (std::size_t i = graph_.nodes.size(); i-- > 0;) {
      const int index = static_cast<int>(i);
      if (is_taken_[i]) continue;
      if (auto step = step_of(index)) {
        for (const int node : step->nodes) is_taken_[static_cast<std::size_t>(node)] = true;
        steps.emplace(step->nodes.back(), std::move(*step));
      }
    }
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (!is_taken_[i]) steps.emplace(static_cast<int>(i), plain_step(static_cast<int>(i)));
    }
    keep_needed(steps);
  }

 private:
  [[nodiscard]] const Node& node(int index) const {
    return graph_.nodes[static_cast<std::size_t>(index)];
  }

  // One scale and one zero point, which are stored.
  [[nodiscard]] std::optional<IntegerFormat> format_of(const Node& linear, DType type,
                                                       SmallType small) const {
    const ReferenceTensor* const scale = found_.stored(linear.inputs.at(1));
    const auto range = integer_range(type, small);
    if (scale == nullptr || scale->size() != 1 || !scale->is_real() || !range) return std::nullopt;
    IntegerFormat format;
    format.scale = static_cast<float>(scale->values[0]);
    format.type = type;
    if (linear.inputs.size() > 2 && linear.inputs[2] != kNoValue) {
      const ReferenceTensor* const zero = found_.stored(linear.inputs[2]);
      if (zero == nullptr || zero->size() != 1 || zero->is_real()) return std::nullopt;
      format.zero = zero->integers[0];
    }
    if (format.zero < range->least || format.zero > range->greatest) return std::nullopt;
    format.least = range->least - format.zero;
    format.greatest = range->greatest - format.zero;
    format.arithmetic = found_.arithmetic_;
    const bool is_held = format.least >= std::numeric_limits<std::int32_t>::min() &&
                         format.greatest <= std::numeric_limits<std::int32_t>::max();
    if (!is_held || !(format.scale > 0) || !std::isfinite(format.scale)) return std::nullopt;
    return format;
  }

  void find_formats() {
    for (const Node& made : graph_.nodes) {
      const auto* const quantize = std::get_if<op::QuantizeLinear>(&made.attributes);
      if (quantize == nullptr || found_.stored(made.output()) != nullptr) continue;
      if (auto format = format_of(made, quantize->to, quantize->small)) {
        quantized_.emplace(made.output(), *format);
      }
    }
  }

  // The codes that the numbers are made of; nothing for others. Both sides have to mean the same.
  [[nodiscard]] ValueId codes_of(ValueId id) const {
    const int producer = id == kNoValue ? -1 : found_.values_.producer(id);
    if (producer < 0) return kNoValue;
    const Node& made = node(producer);
    if (!std::holds_alternative<op::DequantizeLinear>(made.attributes)) return kNoValue;
    const auto codes = quantized_.find(made.inputs[0]);
    if (codes == quantized_.end()) return kNoValue;
    const auto format = format_of(made, codes->second.type, SmallType::kNone);
    return format && format->same_numbers(codes->second) ? codes->first : kNoValue;
  }

  // What bounds the result of a node and the QuantizeLinear behind it.
  struct Tail {
    std::vector<int> nodes;
    ValueId codes = kNoValue;
    IntegerFormat format;
  };
  [[nodiscard]] std::optional<Tail> tail_of(ValueId id, bool functions) const {
    Tail tail;
    std::vector<int> bounds;
    for (;;) {
      const int user = uses_.only_user(id);
      if (user < 0) return std::nullopt;
      const Node& next = node(user);
      tail.nodes.push_back(user);
      if (std::holds_alternative<op::QuantizeLinear>(next.attributes)) {
        const auto format = quantized_.find(next.output());
        if (format == quantized_.end() || next.inputs[0] != id) return std::nullopt;
        tail.codes = next.output();
        tail.format = format->second;
        break;
      }
      const bool is_bound = is_any<op::Relu, op::Clip, op::Identity>(next);
      if (!(functions ? is_function(next) : is_bound) || next.inputs[0] != id) return std::nullopt;
      if (!has_stored_operands(next)) return std::nullopt;
      bounds.push_back(user);
      id = next.output();
    }
    if (functions) return tail;
    std::vector<ActivationBounds> limits;
    for (const int bound : bounds) limits.push_back(bounds_of(node(bound)));
    tail.format = bounded_format(tail.format, limits);
    return tail;
  }

  [[nodiscard]] bool has_stored_operands(const Node& made) const {
    return std::all_of(made.inputs.begin() + 1, made.inputs.end(),
                       [&](ValueId id) { return id == kNoValue || found_.stored(id) != nullptr; });
  }

  // Of Relu and Clip.
  [[nodiscard]] ActivationBounds bounds_of(const Node& bound) const {
    if (std::holds_alternative<op::Relu>(bound.attributes)) return {0.0F, std::nullopt};
    if (!std::holds_alternative<op::Clip>(bound.attributes)) return {};
    const auto at = [&](std::size_t i) -> std::optional<float> {
      if (i >= bound.inputs.size() || bound.inputs[i] == kNoValue) return std::nullopt;
      return static_cast<float>(found_.stored(bound.inputs[i])->values.at(0));
    };
    return {at(1), at(2)};
  }

  [[nodiscard]] std::optional<QuantizedStep> step_of(int index) {
    const Node& made = node(index);
    if (made.inputs.empty() || made.outputs.size() != 1) return std::nullopt;
    QuantizedStep step;
    step.nodes = {index};
    if (is_linear(made) && take_linear(made, step)) {
      step.kind = step.inputs.size() == 2 ? StepKind::kProduct : StepKind::kLinear;
    } else if (std::holds_alternative<op::Add>(made.attributes) && take_codes(made, 2, step)) {
      step.kind = StepKind::kAdd;
    } else if (multiplies_elements(made) && take_codes(made, 2, step)) {
      step.kind = StepKind::kMul;
    } else if (is_mean(made) && take_codes(made, 1, step)) {
      step.kind = StepKind::kMean;
    } else if (is_function(made) && has_stored_operands(made) && take_codes(made, 1, step)) {
      step.kind = StepKind::kTable;
    } else if (only_moves(made) && take_moved(made, step)) {
      step.kind = StepKind::kMove;
    } else {
      return std::nullopt;
    }
    const bool looks_up = step.kind == StepKind::kTable || step.kind == StepKind::kMove;
    if (looks_up && !std::ranges::all_of(step.inputs, [&](ValueId id) { return has_table(id); })) {
      return std::nullopt;
    }
    const auto tail = tail_of(made.output(), step.kind == StepKind::kTable);
    const bool has_bound_of_zero = tail && tail->format.least <= 0 && tail->format.greatest >= 0;
    if (has_bound_of_zero) {
      step.nodes.insert(step.nodes.end(), tail->nodes.begin(), tail->nodes.end());
      step.output = tail->codes;
      step.makes_codes = true;
      found_.formats_[tail->codes] = tail->format;
      return step;
    }
    const bool may_make_numbers = step.kind == StepKind::kLinear || step.kind == StepKind::kProduct;
    if (!may_make_numbers) return std::nullopt;
    step.output = made.output();
    return step;
  }

  // Whether a table of all codes is small.
  [[nodiscard]] bool has_table(ValueId codes) const {
    const IntegerFormat& format = quantized_.at(codes);
    return format.greatest - format.least < std::int64_t{1} << kMostTableBits;
  }

  [[nodiscard]] bool take_codes(const Node& made, std::size_t count, QuantizedStep& step) const {
    if (made.inputs.size() < count) return false;
    step.inputs.clear();
    for (std::size_t i = 0; i < count; ++i) {
      const ValueId codes = codes_of(made.inputs[i]);
      if (codes == kNoValue) return false;
      step.inputs.push_back(codes);
    }
    return true;
  }

  // Concat moves all of its operands, everything else the first.
  [[nodiscard]] bool take_moved(const Node& made, QuantizedStep& step) const {
    const bool all = std::holds_alternative<op::Concat>(made.attributes);
    return take_codes(made, all ? made.inputs.size() : 1, step) &&
           (all || has_stored_operands(made));
  }

  [[nodiscard]] bool take_linear(const Node& made, QuantizedStep& step) const {
    step.inputs.clear();
    const ValueId x = codes_of(made.inputs[0]);
    if (x == kNoValue || made.inputs.size() < 2) return false;
    step.inputs = {x};
    if (found_.stored(found_.codes_behind(made.inputs[1])) != nullptr) return has_kernel(made);
    const ValueId other = codes_of(made.inputs[1]);
    step.inputs.push_back(other);
    return other != kNoValue && std::holds_alternative<op::MatMul>(made.attributes);
  }

  // Stored codes with a scale for each output channel, and biases for these if there are any.
  [[nodiscard]] bool has_kernel(const Node& made) const {
    const auto rank = found_.stored_rank(made.inputs[1]);
    if (!rank || *rank < 2) return false;
    const std::size_t axis = output_axis(made, *rank);
    const auto codes = found_.stored_codes(made.inputs[1], axis);
    if (!codes) return false;
    const bool has_bias = made.inputs.size() > 2 && made.inputs[2] != kNoValue;
    if (!has_bias) return true;
    const ReferenceTensor* const bias = found_.stored(made.inputs[2]);
    if (bias == nullptr) return false;
    // Those of Gemm may differ by row instead.
    const std::int64_t channels = codes->shape[axis];
    return bias->size() == 1 ||
           (bias->size() == static_cast<std::size_t>(channels) && bias->shape.back() == channels);
  }

  [[nodiscard]] QuantizedStep plain_step(int index) const {
    const Node& made = node(index);
    QuantizedStep step;
    step.nodes = {index};
    const auto codes = quantized_.find(made.output());
    if (codes != quantized_.end()) {
      step.kind = StepKind::kQuantize;
      step.inputs = {made.inputs[0]};
      step.output = made.output();
      step.makes_codes = true;
      found_.formats_[made.output()] = codes->second;
      return step;
    }
    const bool dequantizes = std::holds_alternative<op::DequantizeLinear>(made.attributes) &&
                             quantized_.contains(made.inputs[0]);
    step.inputs = made.inputs;
    step.output = made.output();
    if (dequantizes && codes_of(made.output()) != kNoValue) {
      step.kind = StepKind::kDequantize;
      step.inputs.resize(1);
    }
    return step;
  }

  void keep_needed(std::map<int, QuantizedStep>& steps) {
    std::set<ValueId> needed(graph_.outputs.begin(), graph_.outputs.end());
    std::vector<QuantizedStep> kept;
    for (auto place = steps.rbegin(); place != steps.rend(); ++place) {
      QuantizedStep& step = place->second;
      const std::vector<ValueId>& outputs =
          step.kind == StepKind::kFloat ? step.node(graph_).outputs : std::vector{step.output};
      const bool is_needed = std::ranges::any_of(
          outputs, [&](ValueId id) { return needed.contains(id) && !found_.stored(id); });
      if (!is_needed) continue;
      for (const ValueId id : step.inputs) {
        if (id != kNoValue) needed.insert(id);
      }
      kept.push_back(std::move(step));
    }
    found_.steps_.assign(std::make_move_iterator(kept.rbegin()),
                         std::make_move_iterator(kept.rend()));
  }

  QuantizedGraph& found_;
  const Graph& graph_;
  ValueUses uses_;
  std::vector<bool> is_taken_;
  std::map<ValueId, IntegerFormat> quantized_;  // of every QuantizeLinear
};

QuantizedGraph::QuantizedGraph(const Graph& graph, WeightReader read_weight,
                               const IntegerArithmetic& arithmetic)
    : graph_(graph), arithmetic_(arithmetic), values_(graph, std::move(read_weight)) {
  Finder(*this).run();
}

const IntegerFormat* QuantizedGraph::format(ValueId id) const {
  const auto found = formats_.find(id);
  return found == formats_.end() ? nullptr : &found->second;
}

}  // namespace narrow
