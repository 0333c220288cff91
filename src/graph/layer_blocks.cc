#include "graph/layer_blocks.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "graph/constants.h"
#include "graph/graph_builder.h"
#include "graph/matchers.h"
#include "graph/shapes.h"

namespace narrow {
namespace {

constexpr std::size_t kWantedLayers = 3;
constexpr std::size_t kMostLayers = 8;

// Where a block may end.
struct BlockEnd {
  int node = 0;  // behind it
  ValueId output = kNoValue;
  std::size_t layers = 0;
  bool is_whole = false;  // nothing behind it reads the block's input
};

class BlockFinder {
 public:
  BlockFinder(const Graph& graph, const std::vector<LinearLayer>& layers)
      : graph_(graph),
        layers_(layers),
        shapes_(infer_shapes(graph)),
        uses_(graph),
        is_fixed_(known_values(graph)) {
    for (std::size_t i = 0; i < layers.size(); ++i) layer_at_[layers[i].node] = i;
  }

  [[nodiscard]] LayerBlock block_from(std::size_t first) const {
    LayerBlock block;
    block.first = first;
    block.input = layers_[first].input;
    block.output = layers_[first].product;
    block.end = layers_[first].node + 1;
    block.channels_last = !layers_[first].is_convolution() && shape(block.input).size() > 2;
    if (const std::optional<BlockEnd> end = best(ends(block))) {
      block.count = end->layers;
      block.end = end->node;
      block.output = end->output;
      block.is_plain = true;
    }
    return block;
  }

 private:
  [[nodiscard]] const Dimensions& shape(ValueId id) const {
    return shapes_[static_cast<std::size_t>(id)];
  }
  // Weights, constants, and what is made of them alone.
  [[nodiscard]] bool is_fixed(ValueId id) const { return is_fixed_[static_cast<std::size_t>(id)]; }
  [[nodiscard]] bool is_needed_from(int node, ValueId id) const {
    const std::vector<int>& users = uses_.users(id);
    return uses_.is_output(id) || (!users.empty() && users.back() >= node);
  }

  // As far as the block stays plain.
  [[nodiscard]] std::vector<BlockEnd> ends(const LayerBlock& block) const {
    std::vector<BlockEnd> found;
    std::set<ValueId> made;
    std::size_t layers = 0;
    for (int i = layers_[block.first].node; i < static_cast<int>(graph_.nodes.size()); ++i) {
      const Node& node = graph_.nodes[static_cast<std::size_t>(i)];
      const auto reads_nothing_else = [&](ValueId id) {
        return id == kNoValue || id == block.input || is_fixed(id) || made.contains(id);
      };
      if (node.outputs.size() == 1 && is_fixed(node.output())) {
        if (layer_at_.contains(i)) break;  // it would be missing among the layers
        continue;
      }
      if (node.outputs.size() != 1 || !std::ranges::all_of(node.inputs, reads_nothing_else)) break;
      const auto layer = layer_at_.find(i);
      if (layer != layer_at_.end()) {
        if (++layers > kMostLayers || !takes(block, layers_[layer->second])) break;
      } else if (!takes(block, node)) {
        break;
      }
      made.insert(node.output());
      std::erase_if(made, [&](ValueId id) { return !is_needed_from(i + 1, id); });
      if (made.size() == 1 && may_end_with(node) && *made.begin() == node.output()) {
        found.push_back({i + 1, node.output(), layers, !is_needed_from(i + 1, block.input)});
      }
    }
    return found;
  }

  // Means of pixels say too little about them.
  [[nodiscard]] static bool may_end_with(const Node& node) {
    return !is_any<op::GlobalAveragePool, op::AveragePool, op::MaxPool, op::Flatten>(node);
  }

  // The end of the last layer of the first block that is long enough, else of the longest one.
  static std::optional<BlockEnd> best(const std::vector<BlockEnd>& ends) {
    std::optional<BlockEnd> best;
    for (const BlockEnd& end : ends) {
      const bool is_long = best && best->is_whole && best->layers >= kWantedLayers;
      if (is_long && end.layers > best->layers) break;
      if (end.is_whole || end.layers == 1) best = end;
    }
    return best;
  }

  [[nodiscard]] bool takes(const LayerBlock& block, const LinearLayer& layer) const {
    if (layer.bias && layer.norm) return false;
    if (!layer.is_convolution()) return block.channels_last || shape(layer.input).size() == 2;
    const auto& dilations = layer.window.dilations;
    return !block.channels_last && layer.window.rank() == 2 &&
           std::ranges::all_of(dilations, [](std::int64_t step) { return step == 1; });
  }
  [[nodiscard]] bool takes(const LayerBlock& block, const Node& node) const {
    if (is_any<op::Relu>(node) || is_relu6(graph_, node)) return true;
    if (is_any<op::Add>(node)) {
      return !is_fixed(node.inputs[0]) && !is_fixed(node.inputs[1]) &&
             shape(node.inputs[0]) == shape(node.inputs[1]);
    }
    if (block.channels_last) return false;
    if (is_any<op::BatchNormalization>(node)) return is_norm_of_layer(node);
    if (is_any<op::Flatten>(node)) return is_pixel(shape(node.inputs[0]));
    if (const auto* const concat = std::get_if<op::Concat>(&node.attributes)) {
      return concat->axis == 1;
    }
    if (const auto* const mean = std::get_if<op::AveragePool>(&node.attributes)) {
      return mean->window.rank() == 2 && !mean->count_include_pad;
    }
    if (const auto* const pool = std::get_if<op::MaxPool>(&node.attributes)) {
      return pool->window.rank() == 2;
    }
    return is_any<op::GlobalAveragePool>(node) && shape(node.inputs[0]).size() == 4;
  }
  [[nodiscard]] static bool is_pixel(const Dimensions& x) {
    return x.size() == 4 && x[2].size == 1 && x[3].size == 1;
  }
  [[nodiscard]] bool is_norm_of_layer(const Node& node) const {
    return std::ranges::any_of(layers_, [&](const LinearLayer& layer) {
      return layer.norm && layer.output == node.output();
    });
  }

  const Graph& graph_;
  const std::vector<LinearLayer>& layers_;
  ShapeTable shapes_;
  ValueUses uses_;
  std::vector<bool> is_fixed_;  // by value
  std::map<int, std::size_t> layer_at_;
};

int as_int(std::size_t count) { return static_cast<int>(count); }

class BlockGraphMaker {
 public:
  BlockGraphMaker(const Graph& graph, const std::vector<LinearLayer>& layers,
                  const LayerBlock& block)
      : graph_(graph), layers_(layers), block_(block), builder_(layers[block.first].name) {}

  Graph make() {
    const auto in_channels = static_cast<std::int64_t>(layers_[block_.first].in_channels());
    const auto free = [](const char* name) { return Dimension::free(name); };
    made_[block_.input] =
        builder_.input("input", {free("N"), in_channels, free("height"), free("width")});
    std::size_t next = block_.first;
    for (int i = layers_[next].node; i < block_.end; ++i) {
      const Node& node = graph_.nodes[static_cast<std::size_t>(i)];
      if (next < block_.first + block_.count && layers_[next].node == i) {
        add_layer(layers_[next++]);
      } else if (made_.contains(node.inputs.at(0)) && !made_.contains(node.output())) {
        add_node(node);
      }
    }
    return builder_.finish({made_.at(block_.output)});
  }

 private:
  void add_layer(const LinearLayer& layer) {
    const int outputs = as_int(layer.out_channels);
    const Window window = layer.is_convolution() ? layer.window : square_window(1, 1);
    const auto inputs = static_cast<std::int64_t>(layer.columns / layer.taps());
    std::vector<ValueId> read = {
        made_.at(layer.input),
        builder_.weight({layer.weights,
                         {window.kernel[0], window.kernel[1], inputs, outputs},
                         WeightLayout::kHwio,
                         WeightRole::kKernel})};
    if (layer.bias) read.push_back(vector(*layer.bias, outputs, WeightRole::kBias));
    const op::Conv conv{window, static_cast<std::int64_t>(layer.groups)};
    const ValueId product = builder_.add(layer.name, conv, std::move(read));
    made_[layer.product] = product;
    // Its node is passed over then.
    if (layer.norm) made_[layer.output] = norm(layer, product);
  }

  [[nodiscard]] ValueId norm(const LinearLayer& layer, ValueId x) {
    const LinearNorm& norm = *layer.norm;
    const int channels = as_int(layer.out_channels);
    const ValueId gamma =
        norm.gamma ? vector(*norm.gamma, channels, WeightRole::kGamma)
                   : builder_.constant(layer.name + " scale",
                                       make_constant(std::vector<double>(layer.out_channels, 1.0)));
    return builder_.add(layer.name + " norm", op::BatchNormalization{norm.epsilon},
                        {x, gamma, vector(norm.beta, channels, WeightRole::kBeta),
                         vector(norm.moving_mean, channels, WeightRole::kMovingMean),
                         vector(norm.moving_variance, channels, WeightRole::kMovingVariance)});
  }

  [[nodiscard]] ValueId vector(const std::string& name, int channels, WeightRole role) {
    return builder_.weight({name, {channels}, WeightLayout::kAsUsed, role});
  }

  void add_node(const Node& node) {
    if (is_any<op::Flatten>(node)) {
      made_[node.output()] = made_.at(node.inputs[0]);
      return;
    }
    std::vector<ValueId> read;
    for (const ValueId id : node.inputs) {
      const Constant* const constant = graph_.constant_of(id);
      read.push_back(constant == nullptr
                         ? made_.at(id)
                         : builder_.constant(node.name + " " + graph_.value(id).name, *constant));
    }
    made_[node.output()] = builder_.add(node.name, node.attributes, std::move(read));
  }

  const Graph& graph_;
  const std::vector<LinearLayer>& layers_;
  const LayerBlock& block_;
  GraphBuilder builder_;
  std::map<ValueId, ValueId> made_;
};

}  // namespace

std::vector<LayerBlock> layer_blocks(const Graph& graph, const std::vector<LinearLayer>& layers) {
  const BlockFinder finder(graph, layers);
  std::vector<LayerBlock> blocks;
  for (std::size_t i = 0; i < layers.size(); i += blocks.back().count) {
    blocks.push_back(finder.block_from(i));
  }
  return blocks;
}

Graph block_graph(const Graph& graph, const std::vector<LinearLayer>& layers,
                  const LayerBlock& block) {
  return BlockGraphMaker(graph, layers, block).make();
}

}  // namespace narrow
