#include "tasks/sweep/swept_networks.h"

#include <algorithm>

#include "narrow/error.h"
#include "stream/plan_of_indices.h"
#include "stream/quantized_reader.h"
#include "tasks/sweep/sweep_key.h"

namespace narrow {

SweptNetworks::SweptNetworks(const CheckpointReader& reader, std::span<const std::size_t> indices,
                             std::span<const Scheme> schemes, const SweepEvaluationOptions& options)
    : reader_(reader), indices_(indices), schemes_(schemes), options_(options) {
  if (options.activations.empty()) {
    throw Error(ErrorCategory::kUsage, "a sweep needs at least one kind of activations");
  }
  const bool quantizes = std::ranges::any_of(
      options.activations, [](const auto& activations) { return activations.has_value(); });
  if (quantizes) require_quantizable_activations(reader);
  for (const auto& activations : options.activations) {
    if (activations) validate(*activations);
  }
}

const Scheme& SweptNetworks::scheme_of(std::size_t network) const {
  return schemes_[(network - 1) / options_.activations.size()];
}

const std::optional<ActivationScheme>& SweptNetworks::activations_of(std::size_t network) const {
  return options_.activations[(network - 1) % options_.activations.size()];
}

std::uint64_t SweptNetworks::id(std::size_t network) const {
  if (network == 0) return float_network_id();
  return network_id(scheme_of(network), options_.axes, activations_of(network),
                    options_.calibration);
}

const CalibratedNetwork& SweptNetworks::calibrated(const Scheme& scheme, int threads) {
  if (calibrated_scheme_ == &scheme) return *calibrated_;
  calibrated_.reset();
  QuantizeOptions options;
  options.non_finite = options_.non_finite;
  calibrated_ = std::make_unique<const CalibratedNetwork>(
      reader_, plan_of_indices(reader_, indices_, scheme, options_.axes), NetworkMethods(), options,
      &options_.calibration, RunOptionsFor<QuantizeObserver>{threads, nullptr});
  calibrated_scheme_ = &scheme;
  return *calibrated_;
}

EvaluatedNetwork SweptNetworks::prepare(std::size_t network, const EvaluateOptions& evaluate,
                                        const EvaluationData& data, int threads) {
  if (network == 0) return prepare_network(reader_, evaluate, data, threads);
  const Scheme& scheme = scheme_of(network);
  if (const auto& activations = activations_of(network)) {
    const CalibratedNetwork& integers = calibrated(scheme, threads);
    IntegerNetworkResult result;
    Graph graph = integers.quantized({*activations, IntegerTarget::kPortable, {}}, result);
    return prepare_graph(integers.tensors(), std::move(graph), evaluate, data, threads);
  }
  const QuantizedReader quantized(
      reader_, plan_of_indices(reader_, indices_, scheme, options_.axes), options_.non_finite);
  return prepare_network(quantized, evaluate, data, threads);
}

}  // namespace narrow
