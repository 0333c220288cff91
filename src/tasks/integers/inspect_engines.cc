#include "narrow/inspect_engines.h"

#include <fmt/format.h>

#include <utility>

#include "graph/operators.h"
#include "methods/activations/engine_rules.h"
#include "model/checkpoint_network.h"
#include "model/onnx/onnx_network.h"
#include "narrow/error.h"

namespace narrow {
namespace {

struct EngineName {
  std::string_view title;
  std::string_view name;
};
constexpr std::array<EngineName, kEngines.size()> kNames = {
    {{"ONNX Runtime", "onnxruntime"}, {"OpenVINO", "openvino"}, {"TensorRT", "tensorrt"}}};

EngineVerdict verdict(std::string why) {
  EngineVerdict result;
  result.is_integer = why.empty();
  result.why = std::move(why);
  return result;
}

}  // namespace

std::string_view title_of(Engine engine) noexcept {
  return kNames[static_cast<std::size_t>(engine)].title;
}

std::string_view to_string(Engine engine) noexcept {
  return kNames[static_cast<std::size_t>(engine)].name;
}

EngineInspection inspect_engines(const CheckpointReader& reader) {
  const std::string path = reader.location().path.string();
  if (!is_onnx(reader)) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{} is no ONNX file, which these engines read", path));
  }
  const Graph graph = onnx_network(reader);
  const EngineRules rules(graph, [&reader](const Weight& weight) {
    return ReferenceTensor::of(stored_tensor(reader, weight.name));
  });
  EngineInspection result;
  result.network = graph.name;
  for (const Node& node : graph.nodes) {
    if (!rules.is_judged(node)) continue;
    EngineNode found;
    found.name = node.name;
    found.op = operator_of(node).name;
    found.is_linear = EngineRules::is_linear(node);
    found.verdicts = {verdict(rules.onnx_runtime(node)), verdict(rules.open_vino(node)),
                      verdict(rules.tensor_rt(node))};
    found.pair_sum = rules.pair_sum(node);
    result.nodes.push_back(std::move(found));
  }
  if (!result.nodes.empty()) return result;
  throw Error(
      ErrorCategory::kUnsupported,
      fmt::format("{} has no operator that reads codes: quantize its weights and activations "
                  "first",
                  path));
}

}  // namespace narrow
