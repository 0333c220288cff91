#include "tasks/network/scales_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::string_view kOutputScale = "/output_scale";
constexpr std::string_view kInputScale = "/input_scale";

// The layer with the tensor `name`, which ends in `suffix`; null when there is none.
const Layer* layer_of(const std::vector<Layer>& layers, std::string_view name,
                      std::string_view suffix) {
  if (!name.ends_with(suffix)) return nullptr;
  name.remove_suffix(suffix.size());
  const auto found = std::ranges::find(layers, name, &Layer::name);
  return found == layers.end() ? nullptr : &*found;
}

std::vector<double> read_factors(const CheckpointReader& reader, std::size_t index, int channels) {
  const TensorInfo& info = reader.tensors()[index];
  const auto fail = [&](const std::string& what) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{}: {} {}", reader.location().path.string(), info.name, what));
  };
  if (info.dtype != DType::kFloat64 || info.shape != Shape{channels}) {
    fail(fmt::format("is {} {}, expected float64 [{}]", info.type_name(), to_string(info.shape),
                     channels));
  }
  std::vector<double> factors(static_cast<std::size_t>(channels));
  reader.read(index, std::as_writable_bytes(std::span(factors)));
  for (const double factor : factors) {
    if (!(factor > 0) || !std::isfinite(factor) || !std::isfinite(1 / factor)) {
      fail(fmt::format("holds the factor {}, expected positive finite ones", factor));
    }
  }
  return factors;
}

}  // namespace

void write_scales(const ChannelScales& scales, CheckpointWriter& writer) {
  std::vector<std::pair<std::string, const std::vector<double>*>> tensors;
  for (const auto& [layer, factors] : scales) {
    if (!factors.input.empty())
      tensors.emplace_back(layer + std::string(kInputScale), &factors.input);
    if (!factors.output.empty()) {
      tensors.emplace_back(layer + std::string(kOutputScale), &factors.output);
    }
  }
  for (const auto& [name, factors] : tensors) {
    writer.add({name, DType::kFloat64, {static_cast<std::int64_t>(factors->size())}});
  }
  for (const auto& [name, factors] : tensors) writer.write(std::as_bytes(std::span(*factors)));
}

ChannelScales read_scales(const CheckpointReader& reader, const Graph& graph,
                          const std::vector<Layer>& layers) {
  const std::vector<ScalePath> paths = scalable_paths(graph, layers);
  ChannelScales scales;
  for (std::size_t i = 0; i < reader.tensors().size(); ++i) {
    const std::string& name = reader.tensors()[i].name;
    const Layer* layer = layer_of(layers, name, kOutputScale);
    if (layer != nullptr && layer->norm) {
      scales[layer->name].output = read_factors(reader, i, layer->out_channels);
      continue;
    }
    layer = layer_of(layers, name, kInputScale);
    if (layer == nullptr || std::ranges::find(paths, layer, &ScalePath::after) == paths.end()) {
      throw Error(ErrorCategory::kCorrupt,
                  fmt::format("{}: {} is no channel scale of a layer of {}",
                              reader.location().path.string(), name, graph.name));
    }
    scales[layer->name].input = read_factors(reader, i, layer->in_channels);
  }
  return scales;
}

}  // namespace narrow
