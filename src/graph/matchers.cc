#include "graph/matchers.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "graph/clip_bounds.h"
#include "graph/constants.h"
#include "graph/shapes.h"

namespace narrow {
namespace {

bool commutes_with_scale(const Node& node) {
  return is_any<op::Relu, op::MaxPool, op::GlobalAveragePool>(node);
}

const Dimensions& shape_of(const ShapeTable& shapes, ValueId id) {
  return shapes[static_cast<std::size_t>(id)];
}

// Whether it leaves one element a channel where there was one.
bool flatten_keeps_channels(const op::Flatten& flatten, const Dimensions& x, const Dimensions& y) {
  const bool splits_behind_images =
      flatten.axis == 1 || flatten.axis + static_cast<std::int64_t>(x.size()) == 1;
  return splits_behind_images && x.size() > 1 && x[1] == y[1] && !y[1].is_free();
}

// From values on through what commutes with a positive factor for each channel.
class ScaleWalk {
 public:
  explicit ScaleWalk(const Graph& graph)
      : graph_(graph), uses_(graph), shapes_(infer_shapes(graph)) {}

  struct End {
    ValueId value = kNoValue;
    int user = -1;  // that alone reads it; -1 for none
    bool is_flat = false;
  };
  // Up to the first node that does not commute. `passes(node)` says of further ones that they do.
  template <typename Passes>
  [[nodiscard]] End follow(ValueId value, const Passes& passes) const {
    End end{value, uses_.only_user(value), false};
    while (end.user >= 0) {
      const Node& node = graph_.nodes[static_cast<std::size_t>(end.user)];
      const auto* const flatten = std::get_if<op::Flatten>(&node.attributes);
      if (flatten != nullptr) {
        if (!flatten_keeps_channels(*flatten, shape_of(shapes_, node.inputs[0]),
                                    shape_of(shapes_, node.output()))) {
          break;
        }
        end.is_flat = true;
      } else if (!commutes_with_scale(node) && !passes(node)) {
        break;
      }
      end.value = node.output();
      end.user = uses_.only_user(end.value);
    }
    return end;
  }

 private:
  const Graph& graph_;
  ValueUses uses_;
  ShapeTable shapes_;
};

// Sets of values whose channels are one and the same.
class ValueSets {
 public:
  explicit ValueSets(std::size_t count) : parents_(count) {
    std::iota(parents_.begin(), parents_.end(), std::size_t{0});
  }
  std::size_t find(ValueId id) {
    auto i = static_cast<std::size_t>(id);
    while (parents_[i] != i) i = parents_[i] = parents_[parents_[i]];
    return i;
  }
  void join(ValueId a, ValueId b) { parents_[find(b)] = find(a); }

 private:
  std::vector<std::size_t> parents_;
};

class GroupFinder {
 public:
  explicit GroupFinder(const Graph& graph)
      : graph_(graph), shapes_(infer_shapes(graph)), sets_(graph.values.size()) {}

  std::vector<ChannelGroup> run() {
    for (const Node& node : graph_.nodes) tie(node);
    for (const Node& node : graph_.nodes) add_axes(node);
    for (const ValueId id : graph_.inputs) mark(id, &ChannelGroup::has_input);
    for (const ValueId id : graph_.outputs) mark(id, &ChannelGroup::has_output);
    return std::move(groups_);
  }

 private:
  [[nodiscard]] const Dimensions& shape(ValueId id) const { return shape_of(shapes_, id); }

  // Whether input channel c is all that output channel c sees of the input.
  [[nodiscard]] bool is_depthwise(const Node& node) const {
    const auto& conv = std::get<op::Conv>(node.attributes);
    const Dimensions& weights = shape(node.inputs[1]);
    return weights[0].size == conv.group && weights[1].size == 1;
  }

  // Whether channel c of the result is made of channel c of this input.
  [[nodiscard]] bool keeps_channels(const Node& node, ValueId input) const {
    const Dimensions& x = shape(input);
    const Dimensions& y = shape(node.output());
    if (const auto* flatten = std::get_if<op::Flatten>(&node.attributes)) {
      return flatten_keeps_channels(*flatten, x, y);
    }
    if (std::holds_alternative<op::Add>(node.attributes)) {
      return x.size() == y.size() && x.size() > 1 && x[1] == y[1];
    }
    if (std::holds_alternative<op::Conv>(node.attributes) && !is_depthwise(node)) return false;
    return input == node.inputs[0];
  }

  void tie(const Node& node) {
    for (const ValueId id : node.inputs) {
      if (id != kNoValue && keeps_channels(node, id)) sets_.join(id, node.output());
    }
  }

  void add_axes(const Node& node) {
    if (std::holds_alternative<op::Conv>(node.attributes)) {
      if (!is_depthwise(node)) add_axis(node.inputs[0], node.inputs[1], 1);
      add_axis(node.output(), node.inputs[1], 0);
      if (node.inputs.size() > 2) add_axis(node.output(), node.inputs[2], 0);
    } else if (std::holds_alternative<op::BatchNormalization>(node.attributes)) {
      for (std::size_t i = 1; i < node.inputs.size(); ++i)
        add_axis(node.output(), node.inputs[i], 0);
    } else if (std::holds_alternative<op::Add>(node.attributes)) {
      for (const ValueId id : node.inputs) add_addend_axis(node, id);
    }
  }

  // The axis of an operand that lies below the channels of the sum; missing ones are in front.
  void add_addend_axis(const Node& node, ValueId id) {
    const Dimensions& x = shape(id);
    const Dimensions& y = shape(node.output());
    const std::size_t missing = y.size() - x.size();
    if (y.size() < 2 || missing > 1) return;
    if (x[1 - missing] == y[1]) add_axis(node.output(), id, 1 - missing);
  }

  void add_axis(ValueId channels_of, ValueId weight, std::size_t axis) {
    if (graph_.weight_of(weight) == nullptr) return;
    const std::size_t set = sets_.find(channels_of);
    const auto [found, is_new] = places_.try_emplace(set, groups_.size());
    if (is_new) groups_.push_back({shape(channels_of).at(1).size, {}, false, false});
    groups_[found->second].axes.push_back({graph_.value(weight).weight, axis});
  }

  void mark(ValueId id, bool ChannelGroup::*what) {
    const auto found = places_.find(sets_.find(id));
    if (found != places_.end()) groups_[found->second].*what = true;
  }

  const Graph& graph_;
  ShapeTable shapes_;
  ValueSets sets_;
  std::map<std::size_t, std::size_t> places_;  // by set: index into groups_
  std::vector<ChannelGroup> groups_;
};

}  // namespace

bool is_relu6(const Graph& graph, const Node& node) {
  return is_any<op::Clip>(node) && scalar_of(graph, input_of(node, 1)) == 0.0 &&
         scalar_of(graph, input_of(node, 2)) == 6.0;
}

std::vector<bool> known_values(const Graph& graph) {
  std::vector<bool> known(graph.values.size());
  for (std::size_t id = 0; id < known.size(); ++id) {
    known[id] = graph.is_stored(static_cast<ValueId>(id));
  }
  for (const Node& node : graph.nodes) {
    const bool is_known = !node.inputs.empty() && std::ranges::all_of(node.inputs, [&](ValueId id) {
      return id == kNoValue || known[static_cast<std::size_t>(id)];
    });
    for (const ValueId id : node.outputs) {
      if (id != kNoValue) known[static_cast<std::size_t>(id)] = is_known;
    }
  }
  return known;
}

ValueUses::ValueUses(const Graph& graph)
    : users_(graph.values.size()), outputs_(graph.values.size(), false) {
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const ValueId id : graph.nodes[i].inputs) {
      if (id != kNoValue) users_[static_cast<std::size_t>(id)].push_back(static_cast<int>(i));
    }
  }
  for (const ValueId id : graph.outputs) outputs_[static_cast<std::size_t>(id)] = true;
}

int ValueUses::only_user(ValueId id) const {
  const std::vector<int>& found = users(id);
  return found.size() == 1 && !is_output(id) ? found[0] : -1;
}

std::vector<ScalePath> scale_paths(const Graph& graph, const std::vector<Layer>& layers) {
  const ScaleWalk walk(graph);
  std::vector<ScalePath> paths;
  for (const Layer& before : layers) {
    if (before.addend != kNoValue) continue;
    const ScaleWalk::End end = walk.follow(before.output, [](const Node&) { return false; });
    const auto is_fed = [&](const Layer& layer) {
      return layer.first_node() == end.user && layer.input == end.value;
    };
    const auto after = std::ranges::find_if(layers, is_fed);
    if (end.user >= 0 && after != layers.end()) paths.push_back({&before, &*after});
  }
  return paths;
}

std::vector<LinearPath> linear_paths(const Graph& graph, const std::vector<LinearLayer>& layers,
                                     const WeightSource& weights) {
  const ScaleWalk walk(graph);
  std::vector<LinearPath> paths;
  for (const LinearLayer& before : layers) {
    if (before.norm && !before.norm->gamma) continue;  // its scale is not stored
    LinearPath path{&before};
    const ScaleWalk::End end = walk.follow(before.output, [&](const Node& node) {
      const auto bounds = clip_bounds(graph, node, weights);
      const bool is_first = path.clipped == kNoValue;
      if (!bounds || bounds->least != 0 || !(bounds->greatest > 0) || !is_first) return false;
      path.clipped = node.inputs[0];
      path.limit = bounds->greatest;
      return true;
    });
    // Channels are the second axis of what a convolution reads, the last one of a product.
    const bool is_flat = end.is_flat || !before.is_convolution();
    const auto is_fed = [&](const LinearLayer& layer) {
      return layer.node == end.user && layer.input == end.value &&
             layer.is_convolution() != is_flat && layer.in_channels() == before.out_channels;
    };
    const auto after = std::ranges::find_if(layers, is_fed);
    if (end.user < 0 || after == layers.end()) continue;
    path.after = &*after;
    paths.push_back(path);
  }
  return paths;
}

std::vector<ChannelGroup> channel_groups(const Graph& graph) { return GroupFinder(graph).run(); }

}  // namespace narrow
