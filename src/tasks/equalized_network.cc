#include "tasks/equalized_network.h"

#include <cstring>
#include <string>
#include <vector>

#include "graph/graph_edit.h"
#include "graph/matchers.h"
#include "graph/shapes.h"
#include "methods/scales/equalize_paths.h"

namespace narrow {
namespace {

// Of the channels that a Clip sees, as an operand that is repeated over images and `pixel_axes`.
Constant limits_of(const std::vector<double>& factors, double limit, std::size_t pixel_axes) {
  Constant limits;
  limits.type = DType::kFloat32;
  limits.shape = {static_cast<std::int64_t>(factors.size())};
  limits.shape.resize(1 + pixel_axes, 1);
  limits.bytes.resize(factors.size() * sizeof(float));
  for (std::size_t c = 0; c < factors.size(); ++c) {
    const auto value = static_cast<float>(limit / factors[c]);
    std::memcpy(limits.bytes.data() + c * sizeof(value), &value, sizeof(value));
  }
  return limits;
}

Graph with_limits(const Graph& graph, const std::vector<LinearPath>& paths,
                  const ChannelScales& scales) {
  GraphEdit edit(graph);
  const ValueUses uses(graph);
  const ShapeTable shapes = infer_shapes(graph);
  for (const LinearPath& path : paths) {
    if (path.clipped == kNoValue) continue;
    const int clip = uses.only_user(path.clipped);
    const std::string name = graph.nodes[static_cast<std::size_t>(clip)].name;
    const ValueId rectified = edit.node(clip).output();
    edit.node(clip).attributes = op::Relu{};
    edit.node(clip).inputs = {path.clipped};
    // Channels of a convolution are the second axis, of a product the last one.
    const std::size_t rank = shapes[static_cast<std::size_t>(path.clipped)].size();
    const std::size_t pixel_axes = path.before->is_convolution() ? rank - 2 : 0;
    const ValueId limits = edit.constant(
        name + "/limits", limits_of(scales.at(path.after->name).input, path.limit, pixel_axes));
    edit.swap_results(clip,
                      edit.add_after(clip, name + "/limited", op::Variadic{op::VariadicKind::kMin},
                                     {rectified, limits}));
  }
  return edit.finish();
}

}  // namespace

Graph equalized_network(const Graph& graph, Weights& weights) {
  const std::vector<LinearLayer> layers = linear_layers(graph);
  const std::vector<LinearPath> paths = linear_paths(graph, layers, weights);
  require_paths(paths, graph);
  RangesByLayer ranges;
  for (const LinearLayer& layer : layers) ranges[layer.name] = {};
  std::vector<LinearPath> free = paths;
  for (LinearPath& path : free) path.clipped = kNoValue;
  return with_limits(graph, paths, equalize_paths(free, ranges, {}, weights));
}

}  // namespace narrow
