#include "tasks/plan/absorbed_weights.h"

#include <utility>

#include "graph/tap_coverage.h"
#include "methods/scales/absorb_scales.h"
#include "methods/scales/fold_norms.h"
#include "model/checkpoint_network.h"
#include "quant/tensor_grid.h"
#include "tasks/network/image_graph.h"

namespace narrow {
namespace {

LoadedNetwork load(const CheckpointReader& reader, int image_size) {
  if (!is_any_graph(reader)) return load_network(reader);
  Graph graph = graph_for_images(reader, image_size);
  Weights weights = load_float_weights(graph, reader);
  return {std::move(graph), {}, std::move(weights)};
}

}  // namespace

AbsorbedWeights::AbsorbedWeights(const CheckpointReader& reader, int image_size)
    : network_(load(reader, image_size)) {
  if (is_any_graph(reader)) {
    for (LinearLayer& layer : linear_layers(network_.graph)) {
      if (!layer.norm) continue;
      const std::string name = layer.weights;
      rows_[name] = {layer.rows_first, layer.columns, layer.out_channels, std::move(layer), {}};
    }
    return;
  }
  const auto coverage =
      tap_coverage(network_.graph, network_.layers, image_size_of(reader, image_size));
  for (const Layer& layer : network_.layers) {
    if (!layer.norm) continue;
    const auto outputs = static_cast<std::size_t>(layer.out_channels);
    rows_[layer.weights] = {false,
                            element_count(layer.weights_shape) / outputs,
                            outputs,
                            {},
                            coverage.at(layer.name).shares()};
  }
}

std::vector<float> AbsorbedWeights::restored(const std::string& name, const Scheme& scheme) const {
  require_one_range(scheme, name);
  const Rows& rows = rows_.at(name);
  const TensorInfo info = *network_.weights.find(name);
  const std::span<const float> exact = values(name);
  std::vector<double> factors;
  double bound = 1;
  if (rows.linear) {
    AbsorbedRows absorbed = absorbable_rows(*rows.linear, scheme, network_.weights);
    factors = std::move(absorbed.factors);
    bound = absorbed.bound;
  } else {
    AbsorbedScales absorbed = absorbable_scales(exact, info.shape, rows.tap_shares, scheme);
    factors = std::move(absorbed.factors);
    bound = absorbed.bound;
  }
  const auto factor = [&](std::size_t i) {
    return factors[rows.rows_first ? i / rows.columns : i % rows.out_channels];
  };
  std::vector<float> scaled(exact.size());
  for (std::size_t i = 0; i < scaled.size(); ++i) {
    scaled[i] = static_cast<float>(exact[i] * factor(i));
  }
  const TensorGrid grid(bound, scheme, info);
  std::vector<std::int64_t> codes(scaled.size());
  grid.encode(0, scaled, codes);
  grid.decode(0, codes, scaled);
  for (std::size_t i = 0; i < scaled.size(); ++i) {
    scaled[i] = static_cast<float>(scaled[i] / factor(i));
  }
  return scaled;
}

}  // namespace narrow
