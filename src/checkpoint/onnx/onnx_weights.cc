#include "checkpoint/onnx/onnx_weights.h"

#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace narrow {
namespace {

// More nodes in a row do nothing to a weight but go in a circle.
constexpr int kLongestPath = 64;

class WeightFinder {
 public:
  explicit WeightFinder(OnnxLayout& layout) : layout_(layout), sources_(layout.graphs.size()) {
    for (std::size_t i = 0; i < layout.graphs.size(); ++i) {
      for (const OnnxNode& node : layout.graphs[i].nodes) {
        if (is_passage(node)) sources_[i].emplace(node.output, &node);
      }
    }
  }

  void find() {
    for (OnnxTensor& tensor : layout_.tensors) tensor.info.use = TensorUse::kOther;
    for (std::size_t i = 0; i < layout_.graphs.size(); ++i) {
      for (const OnnxNode& node : layout_.graphs[i].nodes) mark_inputs(i, node);
    }
  }

 private:
  static bool is_passage(const OnnxNode& node) {
    return node.kind == OnnxNode::Kind::kSameAxes || node.kind == OnnxNode::Kind::kTranspose ||
           node.kind == OnnxNode::Kind::kReshape;
  }

  void mark_inputs(std::size_t graph, const OnnxNode& node) {
    switch (node.kind) {
      case OnnxNode::Kind::kConv:
        return mark(graph, node, 1, 0);
      case OnnxNode::Kind::kConvTranspose:
        return mark(graph, node, 1, 1);
      case OnnxNode::Kind::kGather:
        return mark(graph, node, 0, 0);
      case OnnxNode::Kind::kGemm:
        mark(graph, node, 0, node.transposes_a ? 1 : 0);
        return mark(graph, node, 1, node.transposes_b ? 0 : 1);
      case OnnxNode::Kind::kMatMul:
        mark(graph, node, 0, -2);
        return mark(graph, node, 1, -1);
      case OnnxNode::Kind::kSameAxes:
      case OnnxNode::Kind::kTranspose:
      case OnnxNode::Kind::kReshape:
        return;
    }
  }

  // The tensor that input `input` of `node` comes from, if it is one, becomes a weight. `axis` is
  // that of the channels as the node sees it, negative from the last.
  void mark(std::size_t graph, const OnnxNode& node, std::size_t input, int axis) {
    if (input >= node.inputs.size() || node.inputs[input].empty()) return;
    std::vector<const OnnxNode*> path;
    const auto index = trace(graph, node.inputs[input], path);
    if (!index) return;
    TensorInfo& info = layout_.tensors[*index].info;
    const std::size_t least = path_reshapes(path) ? 1 : 2;
    const bool is_table = node.kind == OnnxNode::Kind::kGather;
    if (info.shape.size() < least || (is_table && info.shape.size() != 2)) return;
    if (info.use == TensorUse::kWeight) return;  // the first use counts
    info.use = TensorUse::kWeight;
    info.channel_axis = axis_before(path, axis, static_cast<int>(info.shape.size()));
  }

  static bool path_reshapes(const std::vector<const OnnxNode*>& path) {
    for (const OnnxNode* node : path) {
      if (node->kind == OnnxNode::Kind::kReshape) return true;
    }
    return false;
  }

  // Goes up the links from the value `name`; `path` gets the nodes passed.
  std::optional<std::size_t> trace(std::size_t graph, std::string name,
                                   std::vector<const OnnxNode*>& path) const {
    for (int step = 0; step < kLongestPath; ++step) {
      const OnnxGraph& place = layout_.graphs[graph];
      if (const auto tensor = place.tensors.find(name); tensor != place.tensors.end()) {
        return tensor->second;
      }
      if (const auto found = sources_[graph].find(name); found != sources_[graph].end()) {
        if (found->second->inputs.empty()) return std::nullopt;
        path.push_back(found->second);
        name = found->second->inputs.front();
      } else if (place.parent) {
        graph = *place.parent;
      } else {
        return std::nullopt;
      }
    }
    return std::nullopt;
  }

  static std::optional<int> axis_before(const std::vector<const OnnxNode*>& path, int axis,
                                        int rank) {
    if (path_reshapes(path)) return std::nullopt;
    if (axis < 0) axis += rank;
    for (const OnnxNode* node : path) {
      if (axis < 0 || axis >= rank) return std::nullopt;
      if (node->kind != OnnxNode::Kind::kTranspose) continue;
      const auto& permutation = node->permutation;
      if (permutation.empty()) {
        axis = rank - 1 - axis;
      } else {
        if (std::ssize(permutation) != rank) return std::nullopt;
        const std::int64_t from = permutation[static_cast<std::size_t>(axis)];
        if (from < 0 || from >= rank) return std::nullopt;
        axis = static_cast<int>(from);
      }
    }
    if (axis < 0 || axis >= rank) return std::nullopt;
    return axis;
  }

  OnnxLayout& layout_;
  // Nodes through which weights pass, by the name of the output, for each graph.
  std::vector<std::unordered_map<std::string, const OnnxNode*>> sources_;
};

}  // namespace

void find_onnx_weights(OnnxLayout& layout) { WeightFinder(layout).find(); }

}  // namespace narrow
