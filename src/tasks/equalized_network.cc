#include "tasks/equalized_network.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "checkpoint/container/bytes_stream.h"
#include "graph/graph_edit.h"
#include "graph/matchers.h"
#include "methods/scales/equalize_paths.h"
#include "narrow/error.h"

namespace narrow {
namespace {

// Of the channels of what the layer makes, as an operand that is repeated over images and pixels.
Constant limits_of(const LinearLayer& layer, double limit, const std::vector<double>& factors) {
  Constant limits;
  limits.type = DType::kFloat32;
  limits.shape = {static_cast<std::int64_t>(factors.size())};
  limits.shape.resize(1 + layer.window.rank(), 1);
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
  for (const LinearPath& path : paths) {
    if (path.clipped == kNoValue) continue;
    const int clip = uses.only_user(path.clipped);
    const std::string name = graph.nodes[static_cast<std::size_t>(clip)].name;
    const ValueId rectified = edit.node(clip).output();
    edit.node(clip).attributes = op::Relu{};
    edit.node(clip).inputs = {path.clipped};
    const ValueId limits = edit.constant(
        name + "/limits", limits_of(*path.before, path.limit, scales.at(path.after->name).input));
    edit.swap_results(clip,
                      edit.add_after(clip, name + "/limited", op::Variadic{op::VariadicKind::kMin},
                                     {rectified, limits}));
  }
  return edit.finish();
}

}  // namespace

std::unique_ptr<TensorStream> ChangedValues::open(std::size_t index) const {
  const TensorInfo& info = tensors()[index];
  if (!values_.find(info.name)) return original_.open(index);
  const auto bytes = std::as_bytes(values_.values(info.name));
  return std::make_unique<BytesStream>(info.name,
                                       std::vector<std::byte>(bytes.begin(), bytes.end()));
}

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
