// The graph is folded in two steps: what is small is computed at once, what is a weight when it is
// written.
#include "narrow/export_network.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "checkpoint/container/bytes_stream.h"
#include "checkpoint/onnx/new_onnx_file.h"
#include "graph/dequantize_graph.h"
#include "graph/drop_identities.h"
#include "graph/shapes.h"
#include "graph/slim/slim_networks.h"
#include "graph/weight_source.h"
#include "model/checkpoint_network.h"
#include "model/network_variables.h"
#include "model/onnx/export_onnx.h"
#include "model/onnx/onnx_network.h"
#include "narrow/convert_checkpoint.h"
#include "narrow/error.h"
#include "nn/reference/fold_constants.h"
#include "nn/reference/fold_weights.h"
#include "nn/reference/reference_network.h"
#include "stream/quantized_copy.h"
#include "tasks/equalized_network.h"

namespace narrow {
namespace {

// Free sizes of TF-Slim's only input, [N, 3, height, width].
void set_image_size(Graph& graph, const CheckpointReader& reader,
                    const NetworkExportOptions& options) {
  if (is_onnx(reader)) {
    if (options.image_size == 0 && options.model_name.empty()) return;
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} is an ONNX file, which says itself what its network is: model_name "
                            "and eval_image_size are for checkpoints of TF-Slim's variables",
                            reader.location().path.string()));
  }
  int size = options.image_size;
  if (size == 0) size = usual_image_size(slim_network_of(reader, options.model_name));
  Dimensions& images = graph.values[static_cast<std::size_t>(graph.inputs.at(0))].dimensions;
  for (const std::size_t axis : {2, 3}) images.at(axis) = size;
}

// The tensors of another checkpoint, and behind them those that are computed of them.
class ComputedWeights final : public CheckpointReader {
 public:
  ComputedWeights(const CheckpointReader& original, const CheckpointVariables& variables)
      : original_(original), variables_(variables), tensors_(original.tensors()) {}

  std::size_t add(TensorInfo info, const Graph& graph) {
    graphs_.push_back(&graph);
    tensors_.push_back(std::move(info));
    return tensors_.size() - 1;
  }

  [[nodiscard]] const CheckpointLocation& location() const override { return original_.location(); }
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  [[nodiscard]] std::unique_ptr<TensorStream> open(std::size_t index) const override {
    const std::size_t own = original_.tensors().size();
    if (index < own) return original_.open(index);
    const auto read = [this](const Weight& weight) { return stored(weight); };
    const auto results = run_reference(*graphs_.at(index - own), read, {});
    return std::make_unique<BytesStream>(tensors_[index].name, results.front().as_constant().bytes);
  }

 private:
  [[nodiscard]] ReferenceTensor stored(const Weight& weight) const {
    const auto info = variables_.find(weight.name);
    const auto index = original_.find(info.value().name);
    Constant constant = {info->dtype, info->shape, {}};
    constant.bytes.resize(info->byte_size());
    original_.read(*index, constant.bytes);
    return ReferenceTensor::of(constant);
  }

  const CheckpointReader& original_;
  const CheckpointVariables& variables_;
  std::vector<TensorInfo> tensors_;
  std::vector<const Graph*> graphs_;
};

// Where each weight of the graph comes from, in their order.
ConvertPlan plan_weights(const FoldedGraph& folded, const CheckpointReader& original,
                         const CheckpointVariables& variables, ComputedWeights& reader) {
  ConvertPlan plan;
  for (const Weight& weight : folded.graph.weights) {
    ConvertedTensor tensor;
    tensor.after.name = weight.name;
    tensor.after.dtype = weight.type;
    tensor.after.shape = weight.used_shape();
    const auto computed = folded.computed.find(weight.name);
    if (computed != folded.computed.end()) {
      tensor.index = reader.add(tensor.after, computed->second);
    } else {
      tensor.index = original.find(variables.find(weight.name).value().name).value();
      if (weight.layout == WeightLayout::kHwio) tensor.axes = {3, 2, 0, 1};
    }
    tensor.before = reader.tensors()[tensor.index];
    plan.tensors.push_back(std::move(tensor));
  }
  return plan;
}

void require_onnx(const CheckpointReader& reader) {
  if (is_onnx(reader)) return;
  throw Error(
      ErrorCategory::kUsage,
      fmt::format("{} is no ONNX file: channels are levelled in one; convert the checkpoint "
                  "first, and level the result",
                  reader.location().path.string()));
}

std::vector<std::string> described(const Graph& graph, const FactTable& facts,
                                   const std::vector<ValueId>& ids) {
  std::vector<std::string> texts;
  for (const ValueId id : ids) {
    const Fact& fact = facts[static_cast<std::size_t>(id)];
    texts.push_back(fmt::format("{} {} {}", graph.value(id).name, to_string(fact.type),
                                to_string(fact.dimensions)));
  }
  return texts;
}

ExportedNetwork summary_of(const Graph& graph, const ConvertPlan& plan,
                           const onnx::ModelProto& model) {
  const FactTable facts = infer_facts(graph);
  ExportedNetwork result;
  result.name = graph.name;
  result.opset = model.opset_import(0).version();
  result.nodes = static_cast<std::size_t>(model.graph().node_size());
  result.weights = plan.tensors.size();
  for (const ConvertedTensor& tensor : plan.tensors)
    result.weight_bytes += tensor.after.byte_size();
  result.inputs = described(graph, facts, graph.inputs);
  result.outputs = described(graph, facts, graph.outputs);
  return result;
}

}  // namespace

ExportedNetwork export_network(const CheckpointReader& reader, const NetworkExportOptions& options,
                               const std::filesystem::path& path, Overwrite overwrite,
                               const RunOptions& run) {
  const CheckpointVariables variables(reader, options.use_moving_averages);
  Graph graph = held_network(reader, variables, options.model_name);
  check_weights(graph, variables);
  set_image_size(graph, reader, options);
  graph = fold_constants(std::move(graph));
  if (options.dequantize) dequantize_graph(graph);
  drop_identities(graph);
  std::optional<QuantizedCopy> levelled;
  if (options.equalize) {
    require_onnx(reader);
    Weights values = load_float_weights(graph, reader);
    graph = equalized_network(graph, values);
    levelled.emplace(reader);
    for (const Weight& weight : graph.weights) {
      levelled->add(*values.find(weight.name));
      levelled->write(std::as_bytes(values.values(weight.name)));
    }
  }
  const FoldedGraph folded = fold_weights(std::move(graph));
  ComputedWeights weights(levelled ? *levelled : reader, variables);
  const ConvertPlan plan = plan_weights(folded, reader, variables, weights);
  onnx::ModelProto model = export_onnx(folded.graph);
  copy_metadata(reader, model);
  const auto writer = create_onnx_file(model, path, overwrite);
  convert_checkpoint(weights, plan, *writer, run);
  writer->finish();
  return summary_of(folded.graph, plan, model);
}

}  // namespace narrow
