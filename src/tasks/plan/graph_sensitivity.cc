#include "tasks/plan/graph_sensitivity.h"

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "graph/linear_layers.h"
#include "methods/moments/patch_estimate.h"
#include "model/checkpoint_network.h"
#include "tasks/network/image_graph.h"

namespace narrow {
namespace {

// Of an element in row c and column i of a layer's weights: rows[c] * columns[i], the columns of
// all groups one after the other.
class LayerSensitivity : public Sensitivity {
 public:
  LayerSensitivity(const LinearLayer& layer, std::vector<double> rows, std::vector<double> columns)
      : layer_(layer),
        rows_of_group_(layer.out_channels / layer.groups),
        rows_(std::move(rows)),
        columns_(std::move(columns)) {}

  void get(std::uint64_t first, std::span<double> factors) const override {
    for (std::size_t i = 0; i < factors.size(); ++i) {
      const std::size_t at = first + i;
      const std::size_t row = layer_.channel_at(at);
      factors[i] =
          rows_[row] * columns_[row / rows_of_group_ * layer_.columns + layer_.column_at(at)];
    }
  }

 private:
  LinearLayer layer_;
  std::size_t rows_of_group_;
  std::vector<double> rows_;
  std::vector<double> columns_;
};

class VectorSensitivity : public Sensitivity {
 public:
  explicit VectorSensitivity(std::vector<double> factors) : factors_(std::move(factors)) {}
  void get(std::uint64_t first, std::span<double> factors) const override {
    for (std::size_t i = 0; i < factors.size(); ++i) factors[i] = factors_[first + i];
  }

 private:
  std::vector<double> factors_;
};

std::vector<double> values_of(const WeightSource& weights, const std::string& name,
                              std::size_t count) {
  std::vector<float> values(count);
  weights.read(name, values);
  return {values.begin(), values.end()};
}

// sum_c Var(w_c x).
double product_power(const LinearLayer& layer, const PatchEstimate& estimate,
                     const WeightSource& weights) {
  const std::vector<double> kernel =
      values_of(weights, layer.weights, element_count(layer.weights_shape));
  const std::size_t rows_of_group = layer.out_channels / layer.groups;
  double power = 0;
  for (std::size_t c = 0; c < layer.out_channels; ++c) {
    for (std::size_t i = 0; i < layer.columns; ++i) {
      const double w = kernel[layer.index(c, i)];
      power += w * w * estimate.variance[c / rows_of_group * layer.columns + i];
    }
  }
  return power;
}

void add_layer(const LinearLayer& layer, const PatchEstimate& estimate, bool bias_correct,
               const WeightSource& weights, SensitivityMap& map) {
  const std::size_t channels = layer.out_channels;
  std::vector<double> gains(channels, 1);
  std::vector<double> of_gamma(channels, 0);
  double power = 0;
  if (layer.norm) {
    std::vector<double> gamma(channels, 1);
    if (layer.norm->gamma) gamma = values_of(weights, *layer.norm->gamma, channels);
    const auto variance = values_of(weights, layer.norm->moving_variance, channels);
    for (std::size_t c = 0; c < channels; ++c) {
      gains[c] = gamma[c] * gamma[c] / (variance[c] + layer.norm->epsilon);
      of_gamma[c] = variance[c] / (variance[c] + layer.norm->epsilon);
      power += gamma[c] * gamma[c];
    }
  } else {
    power = product_power(layer, estimate, weights);
  }
  if (!(power > 0)) return;
  const auto add = [&](const std::string& name, std::vector<double> factors) {
    for (double& factor : factors) factor /= power;
    map.emplace(name, std::make_unique<VectorSensitivity>(std::move(factors)));
  };
  if (layer.norm) {
    if (layer.norm->gamma) add(*layer.norm->gamma, std::move(of_gamma));
    add(layer.norm->beta, std::vector<double>(channels, 1));
  }
  if (layer.bias) add(*layer.bias, gains);
  const bool is_corrected = bias_correct && (layer.norm || layer.bias);
  std::vector<double> inputs;
  for (std::size_t i = 0; i < estimate.mean.size(); ++i) {
    inputs.push_back(is_corrected ? estimate.variance[i] : estimate.second(i));
  }
  for (double& gain : gains) gain /= power;
  map.emplace(layer.weights,
              std::make_unique<LayerSensitivity>(layer, std::move(gains), std::move(inputs)));
}

}  // namespace

SensitivityMap graph_sensitivity(const CheckpointReader& reader, int image_size,
                                 bool bias_correct) {
  const Graph graph = graph_for_images(reader, image_size);
  const CheckpointVariables weights(reader, false);
  check_weights(graph, weights);
  const std::vector<LinearLayer> layers = linear_layers(graph);
  const PatchEstimates estimates = patch_estimates(graph, layers, weights);
  SensitivityMap map;
  for (const LinearLayer& layer : layers) {
    if (const PatchEstimate* const estimate = estimates.find(layer.name)) {
      add_layer(layer, *estimate, bias_correct, weights, map);
    }
  }
  return map;
}

}  // namespace narrow
