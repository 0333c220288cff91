#include "methods/moments/value_moments.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <utility>

#include "graph/clip_bounds.h"
#include "graph/linear_layers.h"
#include "graph/matchers.h"
#include "narrow/error.h"

namespace narrow {
namespace {

ValueMoments nothing_of(const std::string& name) {
  return {std::nullopt, fmt::format("nothing is known of the values of {}", name)};
}

ValueMoments without_norm(const Node& node) {
  return {std::nullopt, fmt::format("{} has no batch normalization", node.name)};
}

template <typename Function>
ValueMoments each_of(ValueMoments x, const Function& function) {
  if (!x.channels) return x;
  for (Moments& channel : *x.channels) channel = function(channel);
  return x;
}

ValueMoments rectified(ValueMoments x) {
  return each_of(std::move(x), [](const Moments& channel) {
    return rectified_normal(channel.mean, channel.variance());
  });
}

bool is_linear(const Node& node) {
  return std::holds_alternative<op::Conv>(node.attributes) ||
         std::holds_alternative<op::ConvTranspose>(node.attributes) ||
         std::holds_alternative<op::MatMul>(node.attributes) ||
         std::holds_alternative<op::Gemm>(node.attributes);
}

bool passes_on(const Node& node) {
  return std::holds_alternative<op::MaxPool>(node.attributes) ||
         std::holds_alternative<op::AveragePool>(node.attributes) ||
         std::holds_alternative<op::GlobalAveragePool>(node.attributes) ||
         std::holds_alternative<op::Flatten>(node.attributes) ||
         std::holds_alternative<op::Identity>(node.attributes);
}

class Propagation {
 public:
  Propagation(const Graph& graph, const WeightSource& weights)
      : graph_(graph), weights_(weights), uses_(graph) {
    for (const Value& value : graph.values) values_.push_back(nothing_of(value.name));
    for (const ValueId id : graph.inputs) at(id) = graph_input(id);
  }

  std::vector<ValueMoments> run() {
    for (const Node& node : graph_.nodes) {
      if (node.output() != kNoValue) at(node.output()) = output_of(node);
    }
    return std::move(values_);
  }

 private:
  ValueMoments& at(ValueId id) { return values_[static_cast<std::size_t>(id)]; }

  [[nodiscard]] std::vector<float> read(ValueId id) const {
    const Weight& weight = *graph_.weight_of(id);
    std::vector<float> values(element_count(weight.shape));
    weights_.read(weight.name, values);
    const auto is_finite = [](float value) { return std::isfinite(value); };
    if (std::ranges::all_of(values, is_finite)) return values;
    throw Error(ErrorCategory::kNumeric,
                fmt::format("{} holds NaN or infinity: what the network's layers see cannot be "
                            "estimated from it",
                            weight.name));
  }

  // The batch norm with stored moving statistics that alone reads the value; null for none.
  [[nodiscard]] const Node* norm_after(ValueId id) const {
    const int user = uses_.only_user(id);
    if (user < 0) return nullptr;
    const Node& node = graph_.nodes[static_cast<std::size_t>(user)];
    return node.inputs[0] == id && is_stored_norm(node) ? &node : nullptr;
  }

  [[nodiscard]] bool is_stored_norm(const Node& node) const {
    const auto* const norm = std::get_if<op::BatchNormalization>(&node.attributes);
    const auto is_weight = [&](ValueId id) { return graph_.weight_of(id) != nullptr; };
    return norm != nullptr && !norm->training_mode &&
           (is_weight(node.inputs[1]) || has_unit_scale(graph_, node)) &&
           std::all_of(node.inputs.begin() + 2, node.inputs.end(), is_weight);
  }

  // Whether it only adds its beta, as folding leaves it (fold_norms.h).
  [[nodiscard]] bool is_folded(const Node& node) const {
    const double epsilon = std::get<op::BatchNormalization>(node.attributes).epsilon;
    const auto all_are = [&](std::size_t input, double value) {
      if (graph_.weight_of(node.inputs[input]) == nullptr) return true;  // a scale of 1
      return std::ranges::all_of(read(node.inputs[input]),
                                 [&](float v) { return std::abs(v - value) < 1e-6; });
    };
    return all_are(1, 1) && all_are(3, 0) && all_are(4, 1 - epsilon);
  }

  static ValueMoments folded(const Node& node) {
    return {std::nullopt, fmt::format("{} is folded into the weights before it", node.name)};
  }

  ValueMoments graph_input(ValueId id) const {
    const auto reads_it = [&](const Node& node) {
      return std::holds_alternative<op::Conv>(node.attributes) && node.inputs[0] == id &&
             graph_.weight_of(node.inputs[1]) != nullptr;
    };
    const auto first = std::ranges::find_if(graph_.nodes, reads_it);
    if (first == graph_.nodes.end()) return nothing_of(graph_.value(id).name);
    const Node* const norm = norm_after(first->output());
    if (norm == nullptr) return without_norm(*first);
    if (is_folded(*norm)) return folded(*norm);
    double weight_power = 0;
    for (const float weight : read(first->inputs[1])) {
      weight_power += static_cast<double>(weight) * weight;
    }
    double variance = 0;
    for (const float v : read(norm->inputs[4])) variance += v;
    const double power = weight_power > 0 ? variance / weight_power : 0;
    const std::int64_t channels = graph_.weight_of(first->inputs[1])->used_shape().at(1) *
                                  std::get<op::Conv>(first->attributes).group;
    return {std::vector<Moments>(static_cast<std::size_t>(channels), {0, power}), {}};
  }

  ValueMoments output_of(const Node& node) {
    if (is_stored_norm(node)) return normalized(node);
    if (is_linear(node)) {
      const ValueId input = node.inputs[0];
      const bool is_known = graph_.is_stored(input) || at(input).channels;
      return is_known ? without_norm(node) : ValueMoments{std::nullopt, at(input).reason};
    }
    if (node.inputs.empty() || node.inputs[0] == kNoValue) return nothing_of(node.name);
    const ValueMoments& x = at(node.inputs[0]);
    if (std::holds_alternative<op::Relu>(node.attributes)) return rectified(x);
    if (std::holds_alternative<op::Clip>(node.attributes)) return clipped(node);
    if (std::holds_alternative<op::Add>(node.attributes)) return sum(node);
    if (std::holds_alternative<op::Concat>(node.attributes)) return joined(node);
    return passes_on(node) ? x : nothing_of(node.name);
  }

  [[nodiscard]] ValueMoments normalized(const Node& node) const {
    if (is_folded(node)) return folded(node);
    const std::vector<float> beta = read(node.inputs[2]);
    std::vector<float> gamma(beta.size(), 1);
    if (graph_.weight_of(node.inputs[1]) != nullptr) gamma = read(node.inputs[1]);
    std::vector<Moments> output(beta.size());
    for (std::size_t c = 0; c < output.size(); ++c) {
      const double mean = beta[c];
      const double deviation = gamma[c];
      output[c] = {mean, mean * mean + deviation * deviation};
    }
    return {std::move(output), {}};
  }

  ValueMoments clipped(const Node& node) {
    const auto bounds = clip_bounds(graph_, node, weights_);
    if (!bounds || !(bounds->least <= bounds->greatest)) return nothing_of(node.name);
    return each_of(at(node.inputs[0]), [&](const Moments& channel) {
      return clipped_normal(channel.mean, channel.variance(), bounds->least, bounds->greatest);
    });
  }

  // Channels one after the other.
  ValueMoments joined(const Node& node) {
    if (std::get<op::Concat>(node.attributes).axis != 1) return nothing_of(node.name);
    std::vector<Moments> all;
    for (const ValueId id : node.inputs) {
      const ValueMoments& part = at(id);
      if (!part.channels) return part;
      all.insert(all.end(), part.channels->begin(), part.channels->end());
    }
    return {std::move(all), {}};
  }

  ValueMoments sum(const Node& node) {
    // The later operand first, so that sums are rounded alike however a file orders operands.
    ValueId one = node.inputs[0];
    ValueId other = node.inputs[1];
    if (graph_.producer(one) < graph_.producer(other)) std::swap(one, other);
    const ValueMoments& a = at(one);
    const ValueMoments& b = at(other);
    if (!a.channels) return a;
    if (!b.channels) return b;
    if (a.channels->size() != b.channels->size()) return nothing_of(node.name);
    std::vector<Moments> sums(a.channels->size());
    for (std::size_t c = 0; c < sums.size(); ++c) {
      const Moments& first = (*a.channels)[c];
      const Moments& second = (*b.channels)[c];
      const double mean = first.mean + second.mean;
      sums[c] = {mean, mean * mean + first.variance() + second.variance()};
    }
    return {std::move(sums), {}};
  }

  const Graph& graph_;
  const WeightSource& weights_;
  ValueUses uses_;
  std::vector<ValueMoments> values_;
};

}  // namespace

std::vector<ValueMoments> value_moments(const Graph& graph, const WeightSource& weights) {
  return Propagation(graph, weights).run();
}

}  // namespace narrow
