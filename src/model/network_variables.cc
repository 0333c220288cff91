#include "model/network_variables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>
#include <utility>

#include "model/checkpoint_network.h"
#include "narrow/error.h"

namespace narrow {
namespace {

int class_count_of(const CheckpointReader& reader, const WeightSource& source,
                   const std::string& scope) {
  if (const std::optional<int> count = checkpoint_class_count(source, scope)) return *count;
  throw Error(ErrorCategory::kNotFound,
              fmt::format("{} has no {}/logits/weights whose last axis counts the classes",
                          reader.location().path.string(), scope));
}

void require_usable(const Weight& weight, std::span<const float> values,
                    const CheckpointReader& reader) {
  const bool is_variance = weight.role == WeightRole::kMovingVariance;
  const auto is_usable = [&](float value) {
    return std::isfinite(value) && (!is_variance || value >= 0);
  };
  const auto found = std::ranges::find_if_not(values, is_usable);
  if (found == values.end()) return;
  throw Error(
      ErrorCategory::kNumeric,
      fmt::format("{}: {} has the value {} at index {}, expected {}; no method that uses "
                  "the network can work with it",
                  reader.location().path.string(), weight.name, *found, found - values.begin(),
                  is_variance ? "a number of 0 or more" : "a finite number"));
}

}  // namespace

LoadedNetwork load_network(const CheckpointReader& reader) {
  require_slim_network(reader, "a method that uses the network");
  const CheckpointVariables source(reader, false);
  const std::string scope = find_network_scope(reader);
  Graph graph = network_of_checkpoint(reader, source, scope, class_count_of(reader, source, scope));
  std::vector<Layer> found = layers(graph);
  require_plain_layers(found);
  Weights weights = load_float_weights(graph, reader);
  return {std::move(graph), std::move(found), std::move(weights)};
}

Weights load_float_weights(const Graph& graph, const CheckpointReader& reader) {
  const CheckpointVariables source(reader, false);
  check_weights(graph, source);
  Weights weights(graph);
  for (const Weight& weight : graph.weights) {
    const DType dtype = source.find(weight.name)->dtype;
    if (dtype != DType::kFloat32) {
      throw Error(ErrorCategory::kUnsupported,
                  fmt::format("{}: {} is {}; methods that use the network need float32",
                              reader.location().path.string(), weight.name, to_string(dtype)));
    }
    const std::span<float> values = weights.values(weight.name);
    source.read(weight.name, values);
    require_usable(weight, values, reader);
  }
  return weights;
}

void require_plain_layers(const std::vector<Layer>& layers) {
  const auto refuse = [](const Layer& layer, std::string_view what) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("no method works on {} yet: {}", layer.name, what));
  };
  for (const Layer& layer : layers) {
    if (layer.conv.window.rank() != 2) refuse(layer, "its kernel has not two axes");
    if (layer.conv.group != 1) refuse(layer, "its channels are in groups");
    if (layer.layout != WeightLayout::kHwio) {
      refuse(layer, "its weights are not stored as [height, width, in, out]");
    }
    if (layer.norm && layer.bias) refuse(layer, "it has a bias and a batch normalization");
  }
}

void write_with_weights(const CheckpointReader& reader, const Weights& weights,
                        CheckpointWriter& writer) {
  for (const TensorInfo& info : reader.tensors()) writer.add(info);
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < reader.tensors().size(); ++i) {
    const TensorInfo& info = reader.tensors()[i];
    if (weights.find(info.name)) {
      writer.write(std::as_bytes(weights.values(info.name)));
    } else if (info.dtype == DType::kString) {
      writer.write_strings(reader.read_strings(i));
    } else if (info.byte_size() > 0) {
      bytes.resize(info.byte_size());
      reader.read(i, bytes);
      writer.write(bytes);
    }
  }
}

}  // namespace narrow
