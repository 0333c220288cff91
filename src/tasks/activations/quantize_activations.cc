// Weights first, as `quantize` does it; then the batch norms are folded into their codes, and what
// the network with these weights makes of the images gives the ranges of everything between the
// operators.
#include "narrow/quantize_activations.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include "checkpoint/onnx/new_onnx_file.h"
#include "methods/activations/quantized_network.h"
#include "methods/activations/trained_steps.h"
#include "model/onnx/export_onnx.h"
#include "model/onnx/qonnx_model.h"
#include "narrow/error.h"
#include "tasks/activations/calibrated_network.h"

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

bool has_unsigned(const ActivationSteps& steps) {
  return std::ranges::any_of(steps, [](const auto& named) {
    const std::optional<TrainedStep> step = trained_step(named.first);
    return step && !step->is_signed;
  });
}

void require_possible(const CheckpointReader& reader, const ActivationOptions& options,
                      const QuantizePlan& plan) {
  require_quantizable_activations(reader);
  validate(options.scheme);
  for (const ActivationRule& rule : options.rules) validate(rule.scheme);
  const bool is_plain = options.target == IntegerTarget::kPortable && !options.packs_weights;
  if (options.form == IntegerForm::kQonnx && !is_plain) {
    throw Error(ErrorCategory::kUsage,
                "QONNX has numbers, not codes: neither an engine's types nor packed weights");
  }
  if (!options.steps.empty() && !options.rules.empty()) {
    throw Error(
        ErrorCategory::kUsage,
        "the steps of a training say all of activations: rules, or a plan of activations, do "
        "not go with them");
  }
  if (options.target == IntegerTarget::kTensorRt) {
    if (options.packs_weights) {
      throw Error(ErrorCategory::kUsage,
                  "TensorRT has integer kernels for INT8 weights alone, not for packed ones");
    }
    const bool is_affine =
        has_unsigned(options.steps) ||
        (options.steps.empty() && options.scheme.kind == ActivationSchemeKind::kAffine) ||
        std::ranges::any_of(options.rules,
                            [](const ActivationRule& rule) {
                              return rule.scheme.kind == ActivationSchemeKind::kAffine;
                            }) ||
        std::ranges::any_of(plan, [](const TensorPlan& tensor) {
          return tensor.scheme && tensor.scheme->kind == SchemeKind::kAffine;
        });
    if (is_affine) {
      throw Error(ErrorCategory::kUsage,
                  "TensorRT takes symmetric weights and activations only, without zero points");
    }
  }
}

void write_file(const CheckpointReader& reader, const Graph& graph, IntegerForm form,
                const CheckpointReader& tensors, const std::filesystem::path& path,
                Overwrite overwrite) {
  onnx::ModelProto model = export_onnx(graph);
  if (form == IntegerForm::kQonnx) model = to_qonnx(std::move(model));
  copy_metadata(reader, model);
  const auto writer = create_onnx_file(model, path, overwrite);
  for (const Weight& weight : graph.weights) {
    const std::size_t index = *tensors.find(weight.name);
    TensorInfo info = tensors.tensors()[index];
    std::vector<std::byte> bytes(info.byte_size());
    tensors.read(index, bytes);
    info.shape = weight.used_shape();
    writer->add(info);
    writer->write(bytes);
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

std::optional<int> QuantizedActivation::wanted_bits() const {
  const auto first = errors.rbegin();
  const auto bad = std::find_if(first, errors.rend(),
                                [](double part) { return !(part <= kEnoughForActivation); });
  if (bad == first) return std::nullopt;
  return kMostToldBits + 1 - static_cast<int>(bad - first);
}

ActivationSteps read_activation_steps(const CheckpointReader& reader) {
  ActivationSteps steps;
  for (const TensorInfo& tensor : reader.tensors()) {
    if (!trained_step(tensor.name) || tensor.dtype != DType::kFloat32 || !tensor.shape.empty()) {
      continue;
    }
    float& step = steps[tensor.name];
    reader.read(*reader.find(tensor.name), std::as_writable_bytes(std::span(&step, 1)));
    if (!std::isfinite(step)) {
      throw Error(ErrorCategory::kNumeric,
                  fmt::format("{} is {}, expected a scale", tensor.name, step));
    }
  }
  if (!steps.empty()) return steps;
  throw Error(
      ErrorCategory::kNotFound,
      fmt::format("{} has no scale of a value between operators, VALUE/activation_step/uint4 "
                  "say: no training with quantized activations wrote it",
                  reader.location().path.string()));
}

IntegerNetworkResult quantize_activations(const CheckpointReader& reader, const QuantizePlan& plan,
                                          const NetworkMethods& methods,
                                          const QuantizeOptions& quantize_options,
                                          const ActivationOptions& options,
                                          const std::filesystem::path& path, Overwrite overwrite,
                                          const RunOptionsFor<QuantizeObserver>& run) {
  const auto start = std::chrono::steady_clock::now();
  require_possible(reader, options, plan);
  const bool is_seen = options.steps.empty() || options.images.source.has_examples();
  const CalibratedNetwork network(reader, plan, methods, quantize_options,
                                  is_seen ? &options.images : nullptr, run);
  IntegerNetworkResult result;
  const Graph graph = network.quantized(options, result);
  if (!path.empty()) {
    write_file(reader, options.packs_weights ? with_packed_weights(graph) : graph, options.form,
               network.tensors(), path, overwrite);
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  result.seconds = seconds.count();
  return result;
}

}  // namespace narrow
