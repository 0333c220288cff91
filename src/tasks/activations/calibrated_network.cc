#include "tasks/activations/calibrated_network.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/parallel.h"
#include "graph/drop_identities.h"
#include "graph/operators.h"
#include "methods/activations/quantized_network.h"
#include "methods/activations/trained_steps.h"
#include "model/checkpoint_network.h"
#include "model/onnx/onnx_network.h"
#include "narrow/error.h"
#include "nn/integer/integer_executor.h"
#include "nn/reference/fold_constants.h"
#include "tasks/activations/calibration.h"
#include "tasks/activations/layer_codes.h"
#include "tasks/network/image_graph.h"

namespace narrow {
namespace {

// The weights as the plan and the methods have them, and what became of each.
NetworkResult quantize_weights(const CheckpointReader& reader, const QuantizePlan& plan,
                               NetworkMethods methods, QuantizeOptions options,
                               QuantizedCopy& tensors, const RunOptionsFor<QuantizeObserver>& run) {
  options.all_params = true;  // of which the codes are made
  // Images alone are for the activations.
  if (!methods.bias_correct && !needs_images(methods.rounding)) methods.images.reset();
  if (methods.any()) {
    NullWriter scales;
    return quantize_network(reader, plan, methods, options, tensors, scales, run);
  }
  NetworkResult result;
  result.quantization = quantize_checkpoint(reader, plan, options, tensors, run);
  return result;
}

// `original`: the weights before; null where methods changed them.
std::vector<std::optional<LayerCodes>> all_codes(const std::vector<LinearLayer>& layers,
                                                 const QuantizeResult& result,
                                                 const CheckpointReader& tensors,
                                                 const CheckpointReader* original) {
  std::map<std::string, const TensorResult*> by_name;
  for (const TensorResult& tensor : result.tensors) by_name[tensor.info.name] = &tensor;
  std::vector<std::optional<LayerCodes>> codes;
  for (const LinearLayer& layer : layers) {
    const auto found = by_name.find(layer.weights);
    const TensorResult* const quantized = found == by_name.end() ? nullptr : found->second;
    const bool has_slopes =
        layer.norm && quantized != nullptr && quantized->scheme.kind == SchemeKind::kFixedPoint;
    std::vector<double> numbers;
    if (has_slopes && original != nullptr) numbers = read_reals(*original, layer.weights);
    codes.push_back(layer_codes(layer, quantized, tensors, numbers));
  }
  return codes;
}

void describe(const Graph& graph, const ReadWeight& read_weight, IntegerNetworkResult& result) {
  const IntegerExecutor executor(graph, read_weight, {});
  for (const AccumulatorUse& use : executor.accumulators()) {
    result.accumulators.push_back({use.node, use.bounds.bits()});
  }
  for (const QuantizedStep& step : executor.quantized().steps()) {
    if (step.kind != StepKind::kFloat) continue;
    const Node& node = step.node(executor.quantized().graph());
    if (only_moves(node)) continue;
    result.float_nodes.push_back(fmt::format("{} {}", operator_of(node).name, node.name));
  }
}

}  // namespace

void require_quantizable_activations(const CheckpointReader& reader) {
  if (is_onnx(reader)) return;
  throw Error(ErrorCategory::kUnsupported,
              fmt::format("{} is no ONNX file: activations are quantized in ONNX files; convert "
                          "makes one of a checkpoint of TF-Slim",
                          reader.location().path.string()));
}

CalibratedNetwork::CalibratedNetwork(const CheckpointReader& reader, const QuantizePlan& plan,
                                     const NetworkMethods& methods, const QuantizeOptions& options,
                                     const CalibrationImages* images,
                                     const RunOptionsFor<QuantizeObserver>& run)
    : tensors_(reader),
      weights_(quantize_weights(reader, plan, methods, options, tensors_, run)),
      graph_(fold_constants(onnx_network(reader))) {
  drop_identities(graph_);
  std::vector<LinearLayer> layers = linear_layers(graph_);
  // Codes are put where the layer itself reads its weights.
  std::erase_if(layers, [&](const LinearLayer& layer) {
    return graph_.weight_of(graph_.nodes[static_cast<std::size_t>(layer.node)].inputs[1]) ==
           nullptr;
  });
  const auto codes =
      all_codes(layers, weights_.quantization, tensors_, methods.any() ? nullptr : &reader);
  if (std::ranges::none_of(codes, [](const auto& of) { return of.has_value(); })) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{}: no linear layer has quantized weights of its own, so there is "
                            "nothing to compute in integers",
                            reader.location().path.string()));
  }
  graph_ = with_codes(graph_, layers, codes);
  groups_ = quantizer_groups(graph_);
  for (const QuantizerGroup& group : groups_) seen_.emplace_back(group.values.size());
  if (images != nullptr) see_values(reader, *images, run);
}

void CalibratedNetwork::see_values(const CheckpointReader& reader, const CalibrationImages& images,
                                   const RunOptions& run) {
  std::vector<ValueId> values;
  for (const QuantizerGroup& group : groups_) {
    values.insert(values.end(), group.values.begin(), group.values.end());
  }
  CalibrationImages sized = images;
  if (images.source.inputs.empty()) {
    sized.source.image_size = image_size_of(reader, images.source.image_size);
  }
  const auto all = observe_values(graph_, values, read_weight(), sized, run, images_);
  auto seen = all.begin();
  for (std::vector<ValueStatistics>& of : seen_) {
    for (ValueStatistics& own : of) own = *seen++;
  }
}

ReadWeight CalibratedNetwork::read_weight() const {
  return [this](const Weight& weight) { return stored_tensor(tensors_, weight.name); };
}

ValueStatistics CalibratedNetwork::seen(std::size_t group) const {
  ValueStatistics all;
  for (const ValueStatistics& one : seen_[group]) all.add(one);
  return all;
}

std::vector<ActivationFormat> CalibratedNetwork::fit_formats(
    const ActivationOptions& options) const {
  if (!options.steps.empty()) return trained_formats(graph_, groups_, options.steps);
  std::vector<ActivationFormat> formats;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const ActivationScheme scheme = scheme_of(graph_, groups_[g], options.scheme, options.rules);
    formats.push_back(fit_format(choose_range(seen(g), scheme), scheme));
  }
  return formats;
}

std::vector<ActivationFormat> CalibratedNetwork::formats_of_widths(const ActivationOptions& options,
                                                                   std::size_t group) const {
  const ValueStatistics all = seen(group);
  ActivationScheme scheme = scheme_of(graph_, groups_[group], options.scheme, options.rules);
  if (!options.steps.empty()) {
    scheme.kind =
        all.least() < 0 ? ActivationSchemeKind::kSymmetric : ActivationSchemeKind::kAffine;
    scheme.range = ActivationRange::kMse;
  }
  std::vector<ActivationFormat> formats;
  for (scheme.bits = kLeastToldBits; scheme.bits <= kMostToldBits; ++scheme.bits) {
    formats.push_back(fit_format(choose_range(all, scheme), scheme));
  }
  return formats;
}

void CalibratedNetwork::describe_values(const ActivationOptions& options,
                                        const std::vector<ActivationFormat>& formats,
                                        IntegerNetworkResult& result) const {
  std::vector<std::vector<ActivationFormat>> widths(groups_.size());
  if (options.tells_widths && images_ > 0) {
    parallel_for(groups_.size(), [&](std::size_t g) { widths[g] = formats_of_widths(options, g); });
  }
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const ValueStatistics all = seen(g);
    const ActivationFormat& format = formats[g];
    for (std::size_t i = 0; i < groups_[g].values.size(); ++i) {
      const ValueStatistics& own = seen_[g][i];
      QuantizedActivation& value = result.activations.emplace_back();
      value = {graph_.value(groups_[g].values[i]).name,
               all.least(),
               all.greatest(),
               format.scale,
               format.zero,
               std::string(to_string(format.type)),
               own.count(),
               clipped_values(own, format),
               format.bits(),
               relative_error(own, format)};
      for (const ActivationFormat& one : widths[g]) {
        value.errors.push_back(relative_error(own, one));
      }
    }
  }
}

Graph CalibratedNetwork::quantized(const ActivationOptions& options,
                                   IntegerNetworkResult& result) const {
  require_matches(graph_, groups_, options.rules);
  result.weights = weights_;
  result.scheme = options.scheme;
  result.target = options.target;
  result.is_trained = !options.steps.empty();
  result.images = images_;
  const std::vector<ActivationFormat> formats = fit_formats(options);
  describe_values(options, formats, result);
  Graph graph = with_quantizers(graph_, groups_, formats);
  if (options.target != IntegerTarget::kTensorRt) {
    graph = with_integer_biases(graph, result.widened);
  }
  describe(graph, read_weight(), result);
  return graph;
}

}  // namespace narrow
