// Weights first, as `quantize` does it; then the batch norms are folded into their codes, and what
// the network with these weights makes of the images gives the ranges of everything between the
// operators.
#include "narrow/quantize_activations.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>

#include "checkpoint/onnx/new_onnx_file.h"
#include "graph/drop_identities.h"
#include "graph/operators.h"
#include "methods/activations/activation_range.h"
#include "methods/activations/quantized_network.h"
#include "model/onnx/export_onnx.h"
#include "model/onnx/onnx_network.h"
#include "narrow/error.h"
#include "nn/integer/integer_executor.h"
#include "nn/reference/fold_constants.h"
#include "tasks/activations/calibration.h"
#include "tasks/activations/layer_codes.h"
#include "tensor/element_values.h"

namespace narrow {
namespace {

struct TargetName {
  IntegerTarget target;
  std::string_view name;
};
constexpr TargetName kTargets[] = {{IntegerTarget::kPortable, "portable"},
                                   {IntegerTarget::kOnnxRuntime, "onnxruntime"},
                                   {IntegerTarget::kOpenVino, "openvino"},
                                   {IntegerTarget::kTensorRt, "tensorrt"}};

void require_possible(const CheckpointReader& reader, const ActivationOptions& options,
                      const QuantizePlan& plan) {
  const std::string where = reader.location().path.string();
  if (!is_onnx(reader)) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{} is no ONNX file: activations are quantized in ONNX files; convert "
                            "makes one of a checkpoint of TF-Slim",
                            where));
  }
  if (options.target == IntegerTarget::kTensorRt) {
    const bool is_affine = options.scheme.kind == ActivationSchemeKind::kAffine ||
                           std::ranges::any_of(plan, [](const TensorPlan& tensor) {
                             return tensor.scheme && tensor.scheme->kind == SchemeKind::kAffine;
                           });
    if (is_affine) {
      throw Error(ErrorCategory::kUsage,
                  "TensorRT takes symmetric weights and activations only, without zero points");
    }
  }
}

// The weights as the plan and the methods have them, and what became of each.
NetworkResult quantize_weights(const CheckpointReader& reader, const QuantizePlan& plan,
                               NetworkMethods methods, QuantizeOptions options,
                               TensorStore& tensors, const RunOptionsFor<QuantizeObserver>& run) {
  options.all_params = true;  // of which the codes are made
  // Images alone are for the activations.
  if (!methods.bias_correct && methods.rounding != Rounding::kGptq) methods.images.reset();
  if (methods.any()) {
    NullWriter scales;
    return quantize_network(reader, plan, methods, options, tensors, scales, run);
  }
  NetworkResult result;
  result.quantization = quantize_checkpoint(reader, plan, options, tensors, run);
  return result;
}

std::vector<double> numbers_of(const CheckpointReader& reader, std::size_t index) {
  const TensorInfo& info = reader.tensors()[index];
  std::vector<std::byte> bytes(info.byte_size());
  reader.read(index, bytes);
  return decode_reals(info.dtype, bytes);
}

// `original`: the weights before; null where methods changed them.
std::vector<std::optional<LayerCodes>> all_codes(const std::vector<LinearLayer>& layers,
                                                 const QuantizeResult& result,
                                                 const TensorStore& tensors,
                                                 const CheckpointReader* original) {
  std::map<std::string, const TensorResult*> by_name;
  for (const TensorResult& tensor : result.tensors) by_name[tensor.info.name] = &tensor;
  std::vector<std::optional<LayerCodes>> codes;
  for (const LinearLayer& layer : layers) {
    const auto found = by_name.find(layer.weights);
    const TensorResult* const quantized = found == by_name.end() ? nullptr : found->second;
    const bool has_slopes =
        layer.norm && quantized != nullptr && quantized->scheme.kind == SchemeKind::kFixedPoint;
    const auto index =
        has_slopes && original != nullptr ? original->find(layer.weights) : std::nullopt;
    std::vector<double> numbers;
    if (index) numbers = numbers_of(*original, *index);
    codes.push_back(layer_codes(layer, quantized, tensors, numbers));
  }
  return codes;
}

ReadWeight reader_of(const TensorStore& tensors) {
  return [&tensors](const Weight& weight) {
    const TensorInfo& info = tensors.info(weight.name);
    return GraphArray{info.dtype, info.shape, tensors.bytes(weight.name)};
  };
}

// Formats of the groups, from the statistics of their values.
std::vector<ActivationFormat> fit_formats(const Graph& graph,
                                          const std::vector<QuantizerGroup>& groups,
                                          const std::vector<ValueStatistics>& seen,
                                          const ActivationScheme& scheme,
                                          IntegerNetworkResult& result) {
  std::vector<ActivationFormat> formats;
  std::size_t next = 0;
  for (const QuantizerGroup& group : groups) {
    ValueStatistics all;
    for (std::size_t i = 0; i < group.values.size(); ++i) all.add(seen[next + i]);
    formats.push_back(fit_format(choose_range(all, scheme), scheme));
    const ActivationFormat& format = formats.back();
    for (const ValueId id : group.values) {
      const ValueStatistics& own = seen[next++];
      result.activations.push_back({graph.value(id).name, all.least(), all.greatest(), format.scale,
                                    format.zero, std::string(to_string(format.type)), own.count(),
                                    clipped_values(own, format)});
    }
  }
  return formats;
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

void write_file(const CheckpointReader& reader, const Graph& graph, const TensorStore& tensors,
                const std::filesystem::path& path, Overwrite overwrite) {
  onnx::ModelProto model = export_onnx(graph);
  copy_metadata(reader, model);
  const auto writer = create_onnx_file(model, path, overwrite);
  for (const Weight& weight : graph.weights) {
    TensorInfo info = tensors.info(weight.name);
    info.shape = weight.used_shape();
    writer->add(info);
    writer->write(tensors.bytes(weight.name));
  }
  writer->finish();
}

}  // namespace

IntegerTarget parse_integer_target(std::string_view name) {
  for (const TargetName& target : kTargets) {
    if (target.name == name) return target.target;
  }
  throw Error(
      ErrorCategory::kUsage,
      fmt::format("the target is '{}', expected portable, onnxruntime, openvino or tensorrt",
                  name));
}

std::string_view to_string(IntegerTarget target) noexcept {
  for (const TargetName& known : kTargets) {
    if (known.target == target) return known.name;
  }
  return "";
}

ActivationOptions parse_activation_options(std::string_view activations, std::string_view range,
                                           std::string_view target) {
  ActivationOptions options;
  options.target = parse_integer_target(target);
  if (!activations.empty()) options.scheme = parse_activations(activations);
  const bool names_kind = activations.find(':') != std::string_view::npos;
  if (options.target == IntegerTarget::kTensorRt && !names_kind) {
    options.scheme.kind = ActivationSchemeKind::kSymmetric;
  }
  parse_activation_range(range, options.scheme);
  return options;
}

IntegerNetworkResult quantize_activations(const CheckpointReader& reader, const QuantizePlan& plan,
                                          const NetworkMethods& methods,
                                          const QuantizeOptions& quantize_options,
                                          const ActivationOptions& options,
                                          const std::filesystem::path& path, Overwrite overwrite,
                                          const RunOptionsFor<QuantizeObserver>& run) {
  const auto start = std::chrono::steady_clock::now();
  require_possible(reader, options, plan);
  IntegerNetworkResult result;
  result.scheme = options.scheme;
  result.target = options.target;
  TensorStore tensors;
  result.weights = quantize_weights(reader, plan, methods, quantize_options, tensors, run);
  Graph graph = fold_constants(onnx_network(reader));
  drop_identities(graph);
  std::vector<LinearLayer> layers = linear_layers(graph);
  // Codes are put where the layer itself reads its weights.
  std::erase_if(layers, [&](const LinearLayer& layer) {
    return graph.weight_of(graph.nodes[static_cast<std::size_t>(layer.node)].inputs[1]) == nullptr;
  });
  const auto codes =
      all_codes(layers, result.weights.quantization, tensors, methods.any() ? nullptr : &reader);
  if (std::ranges::none_of(codes, [](const auto& of) { return of.has_value(); })) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{}: no linear layer has quantized weights of its own, so there is "
                            "nothing to compute in integers",
                            reader.location().path.string()));
  }
  graph = with_codes(graph, layers, codes);
  const std::vector<QuantizerGroup> groups = quantizer_groups(graph);
  std::vector<ValueId> values;
  for (const QuantizerGroup& group : groups) {
    values.insert(values.end(), group.values.begin(), group.values.end());
  }
  const ReadWeight read = reader_of(tensors);
  const std::vector<ValueStatistics> seen =
      observe_values(graph, values, read, options.images, run, result.images);
  const std::vector<ActivationFormat> formats =
      fit_formats(graph, groups, seen, options.scheme, result);
  graph = with_quantizers(graph, groups, formats);
  if (options.target != IntegerTarget::kTensorRt) {
    graph = with_integer_biases(graph, result.widened);
  }
  describe(graph, read, result);
  if (!path.empty()) write_file(reader, graph, tensors, path, overwrite);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  result.seconds = seconds.count();
  return result;
}

}  // namespace narrow
