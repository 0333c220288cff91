// A network with quantized weights, and what images make of the values between its operators: what
// networks of integers are made of, one for each way to quantize these values.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/graph.h"
#include "methods/activations/activation_range.h"
#include "methods/activations/quantizer_places.h"
#include "methods/activations/value_statistics.h"
#include "narrow/quantize_activations.h"
#include "nn/executor.h"
#include "stream/quantized_copy.h"

namespace narrow {

// Throws Error(kUnsupported) for what is no ONNX file: values of other networks stay numbers.
void require_quantizable_activations(const CheckpointReader& reader);

class CalibratedNetwork {
 public:
  // Quantizes the weights as the plan says, with the methods, folds batch norms and lets the images
  // go through; null: nothing is seen. The reader must outlive this. Throws as quantize_activations
  // does.
  CalibratedNetwork(const CheckpointReader& reader, const QuantizePlan& plan,
                    const NetworkMethods& methods, const QuantizeOptions& options,
                    const CalibrationImages* images, const RunOptionsFor<QuantizeObserver>& run);
  CalibratedNetwork(const CalibratedNetwork&) = delete;
  CalibratedNetwork& operator=(const CalibratedNetwork&) = delete;

  // The network with codes between its operators; what its graph calls weights are tensors().
  // Fills in what the result says of them. Throws Error(kUsage) for a rule that matches no value.
  [[nodiscard]] Graph quantized(const ActivationOptions& options,
                                IntegerNetworkResult& result) const;

  [[nodiscard]] const NetworkResult& weights() const { return weights_; }
  [[nodiscard]] const CheckpointReader& tensors() const { return tensors_; }
  // With codes for weights and numbers between the operators.
  [[nodiscard]] const Graph& graph() const { return graph_; }
  // Of values that share a format.
  [[nodiscard]] const std::vector<QuantizerGroup>& groups() const { return groups_; }
  // Of all values of a group together.
  [[nodiscard]] ValueStatistics seen(std::size_t group) const;
  // Of all groups, by the statistics of their values, or as they were trained.
  [[nodiscard]] std::vector<ActivationFormat> fit_formats(const ActivationOptions& options) const;
  // Gives the weights of graph(), as tensors() has them.
  [[nodiscard]] ReadWeight read_weight() const;

 private:
  void see_values(const CheckpointReader& reader, const CalibrationImages& images,
                  const RunOptions& run);
  void describe_values(const ActivationOptions& options,
                       const std::vector<ActivationFormat>& formats,
                       IntegerNetworkResult& result) const;
  // For QuantizedActivation::errors: of one group with each of these widths.
  [[nodiscard]] std::vector<ActivationFormat> formats_of_widths(const ActivationOptions& options,
                                                                std::size_t group) const;

  QuantizedCopy tensors_;
  NetworkResult weights_;
  Graph graph_;
  std::vector<QuantizerGroup> groups_;
  std::vector<std::vector<ValueStatistics>> seen_;  // by group and value
  std::uint64_t images_ = 0;
};

}  // namespace narrow
