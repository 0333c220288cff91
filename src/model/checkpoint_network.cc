#include "model/checkpoint_network.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "graph/slim/resnet_v1.h"
#include "model/onnx/onnx_network.h"
#include "narrow/error.h"
#include "stream/value_pieces.h"

namespace narrow {
namespace {

constexpr std::size_t kPieceValues = 65536;
constexpr std::int64_t kMostChannels = 1 << 16;
constexpr std::string_view kFirstLayer = "/conv1/weights";

// Channels of the output of a convolution, or nothing when there is no such layer.
std::optional<int> output_channels(const WeightSource& variables, const std::string& layer) {
  const auto info = variables.find(layer + "/weights");
  if (!info || info->shape.size() != 4) return std::nullopt;
  const std::int64_t channels = info->shape.back();
  if (channels < 1 || channels > kMostChannels) return std::nullopt;
  return static_cast<int>(channels);
}

ResnetV1Shape shape_of_checkpoint(const WeightSource& variables, const std::string& scope) {
  ResnetV1Shape shape;
  shape.name = scope;
  shape.root_channels = output_channels(variables, scope + "/conv1").value_or(0);
  for (int block = 1;; ++block) {
    const auto channels_of_unit = [&](int unit) {
      return output_channels(
          variables, fmt::format("{}/block{}/unit_{}/bottleneck_v1/conv1", scope, block, unit));
    };
    const auto base_channels = channels_of_unit(1);
    if (!base_channels) break;
    int units = 1;
    while (channels_of_unit(units + 1)) ++units;
    shape.blocks.push_back({*base_channels, units, 2});
  }
  if (!shape.blocks.empty()) shape.blocks.back().last_stride = 1;
  return shape;
}

// The weights or biases of the logits, whose last axis counts the classes.
std::optional<TensorInfo> logits_of(const WeightSource& variables, const std::string& scope) {
  if (find_other_slim_network(scope) != nullptr) {
    return variables.find(slim_network(scope, 1, false).graph.weights.back().name);
  }
  auto info = variables.find(scope + "/logits/weights");
  return info ? info : variables.find(scope + "/logits/biases");
}

// Whether the checkpoint has every weight of the graph in its shape.
bool has_all(const CheckpointReader& reader, const Graph& graph) {
  return std::ranges::all_of(graph.weights, [&](const Weight& weight) {
    const auto index = reader.find(weight.name);
    return index && reader.tensors()[*index].shape == weight.shape;
  });
}

// Of the networks that share this one's scope the one whose variables the checkpoint has.
std::string name_in_scope(const CheckpointReader& reader, const SlimNetwork& network) {
  const CheckpointVariables variables(reader, false);
  for (const SlimNetwork& other : slim_networks()) {
    if (other.scope != network.scope) continue;
    const std::string name(other.name);
    const auto classes = checkpoint_class_count(variables, name);
    if (classes && has_all(reader, slim_network(name, *classes, false).graph)) return name;
  }
  return std::string(network.name);
}

// Networks other than ResNet V1 in whose scopes there are variables.
std::vector<std::string> other_networks(const CheckpointReader& reader) {
  std::vector<std::string> names;
  std::string_view last_scope;
  for (const SlimNetwork& network : slim_networks()) {
    if (network.scope == last_scope || find_other_slim_network(network.name) == nullptr) continue;
    last_scope = network.scope;
    const std::string prefix = std::string(network.scope) + "/";
    const auto is_inside = [&](const TensorInfo& tensor) {
      return tensor.name.starts_with(prefix);
    };
    if (std::ranges::any_of(reader.tensors(), is_inside)) {
      names.push_back(name_in_scope(reader, network));
    }
  }
  return names;
}

bool is_scope_of(std::string_view scope, const std::vector<std::string>& names) {
  return std::ranges::any_of(
      names, [&](const std::string& name) { return find_slim_network(name)->scope == scope; });
}

Graph onnx_graph(const CheckpointReader& reader, const std::string& name) {
  Graph graph = onnx_network(reader);
  if (graph.name == name) return graph;
  throw Error(ErrorCategory::kNotFound,
              fmt::format("there is no network {} in {}, whose graph is called {}", name,
                          reader.location().path.string(), graph.name),
              {Remedy::Kind::kInspect});
}

}  // namespace

std::optional<std::size_t> CheckpointVariables::index_of(std::string_view name) const {
  return reader_.find(std::string(name) + suffix_);
}

std::optional<TensorInfo> CheckpointVariables::find(std::string_view name) const {
  const auto index = index_of(name);
  if (!index) return std::nullopt;
  return reader_.tensors()[*index];
}

void CheckpointVariables::read(std::string_view name, std::span<float> values) const {
  const auto index = index_of(name);
  if (!index) {
    throw Error(
        ErrorCategory::kNotFound,
        fmt::format("{} has no variable {}{}", reader_.location().path.string(), name, suffix_));
  }
  if (reader_.tensors()[*index].dtype == DType::kFloat32) {
    reader_.read(*index, std::as_writable_bytes(values));
    return;
  }
  ValuePieces pieces(reader_, *index);
  auto* to = values.data();
  for (auto piece = pieces.next(kPieceValues); !piece.empty(); piece = pieces.next(kPieceValues)) {
    to = std::ranges::transform(piece, to, [](double value) {
           return static_cast<float>(value);
         }).out;
  }
}

std::string find_network_scope(const CheckpointReader& reader) {
  if (is_onnx(reader)) return onnx_network(reader).name;
  const std::vector<std::string> others = other_networks(reader);
  std::vector<std::string> scopes = others;
  for (const TensorInfo& tensor : reader.tensors()) {
    if (!tensor.name.ends_with(kFirstLayer)) continue;
    std::string scope = tensor.name.substr(0, tensor.name.size() - kFirstLayer.size());
    if (is_scope_of(scope, others)) continue;
    if (reader.find(scope + "/logits/weights")) scopes.push_back(std::move(scope));
  }
  const std::string where = reader.location().path.string();
  if (scopes.empty()) {
    throw Error(ErrorCategory::kNotFound,
                fmt::format("{} holds no ResNet V1: there is no SCOPE/conv1/weights with "
                            "SCOPE/logits/weights beside it, nor another network of TF-Slim",
                            where),
                {Remedy::Kind::kInspect});
  }
  if (scopes.size() > 1) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} holds {} networks: {}; choose one with model_name", where,
                            scopes.size(), fmt::join(scopes, ", ")));
  }
  return scopes.front();
}

std::optional<int> checkpoint_class_count(const WeightSource& variables, const std::string& scope) {
  constexpr std::int64_t kMostClasses = 1 << 20;
  const auto info = logits_of(variables, scope);
  if (!info || info->shape.empty()) return std::nullopt;
  const std::int64_t count = info->shape.back();
  if (count < 1 || count > kMostClasses) return std::nullopt;
  return static_cast<int>(count);
}

Graph network_of_checkpoint(const CheckpointReader& reader, const WeightSource& variables,
                            const std::string& scope, int class_count) {
  if (is_onnx(reader)) return onnx_graph(reader, scope);
  if (find_slim_network(scope) != nullptr) return slim_network(scope, class_count, false).graph;
  ResnetV1Shape shape = shape_of_checkpoint(variables, scope);
  if (shape.root_channels == 0 || shape.blocks.empty()) {
    throw Error(
        ErrorCategory::kNotFound,
        fmt::format("there is no network {} in {}: neither one of {} nor the scope of "
                    "bottleneck units that the checkpoint has",
                    scope, reader.location().path.string(), fmt::join(slim_network_names(), ", ")),
        {Remedy::Kind::kInspect});
  }
  shape.class_count = class_count;
  return make_resnet_v1(shape);
}

Graph held_network(const CheckpointReader& reader, const WeightSource& variables,
                   const std::string& name) {
  if (is_onnx(reader)) return onnx_network(reader);
  const std::string scope = name.empty() ? find_network_scope(reader) : name;
  return network_of_checkpoint(reader, variables, scope,
                               checkpoint_class_count(variables, scope).value_or(1));
}

const SlimNetwork* slim_network_of(const CheckpointReader& reader, const std::string& name) {
  if (is_onnx(reader)) return nullptr;
  if (!name.empty()) return find_slim_network(name);
  try {
    return find_slim_network(find_network_scope(reader));
  } catch (const Error&) {
    return nullptr;  // who needs the network says what is wrong
  }
}

Constant stored_tensor(const CheckpointReader& reader, const std::string& name) {
  const auto index = reader.find(name);
  if (!index) throw Error(ErrorCategory::kNotFound, fmt::format("there is no tensor {}", name));
  const TensorInfo& info = reader.tensors()[*index];
  Constant tensor{info.dtype, info.shape, std::vector<std::byte>(info.byte_size())};
  reader.read(*index, tensor.bytes);
  return tensor;
}

bool is_any_graph(const CheckpointReader& reader) {
  if (is_onnx(reader)) return true;
  const SlimNetwork* const held = slim_network_of(reader, "");
  return held != nullptr && find_other_slim_network(held->name) != nullptr;
}

std::string kind_of_network(const CheckpointReader& reader) {
  if (is_onnx(reader)) return "an ONNX file";
  return "a checkpoint of " + find_network_scope(reader);
}

void require_slim_variables(const CheckpointReader& reader, std::string_view who) {
  if (!is_onnx(reader)) return;
  throw Error(ErrorCategory::kUnsupported,
              fmt::format("{} is an ONNX file; {} works on TF-Slim's variables only, whose "
                          "kernels are stored as [height, width, in, out]",
                          reader.location().path.string(), who));
}

void require_slim_network(const CheckpointReader& reader, std::string_view who) {
  if (!is_any_graph(reader)) return;
  throw Error(ErrorCategory::kUnsupported,
              fmt::format("{} is {}; {} works on TF-Slim's variables of a ResNet V1 only, "
                          "whose kernels are stored as [height, width, in, out]",
                          reader.location().path.string(), kind_of_network(reader), who));
}

}  // namespace narrow
