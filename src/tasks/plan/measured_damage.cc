#include "tasks/plan/measured_damage.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/byte_record.h"
#include "base/exchange.h"
#include "base/parallel.h"
#include "base/run_progress.h"
#include "graph/linear_layers.h"
#include "model/checkpoint_network.h"
#include "model/network_variables.h"
#include "narrow/channel_axes.h"
#include "narrow/error.h"
#include "nn/execution/graph_walk.h"
#include "nn/instructions/instruction_set.h"
#include "nn/layerwise/product_differences.h"
#include "quant/tensor_grid.h"
#include "tasks/network/calibration_network.h"
#include "tasks/network/image_graph.h"
#include "tasks/plan/output_change.h"
#include "tasks/shares/fingerprint.h"

namespace narrow {
namespace {

constexpr std::uint64_t kMostKeptBytes = std::uint64_t{1} << 30;
constexpr double kSmallDamage = 1e-3;

// By weight of the graph: the first node that reads it.
std::map<std::string, int> first_readers(const Graph& graph) {
  std::map<std::string, int> readers;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const ValueId id : graph.nodes[i].inputs) {
      if (id == kNoValue) continue;
      if (const Weight* const weight = graph.weight_of(id)) {
        readers.emplace(weight->name, static_cast<int>(i));
      }
    }
  }
  return readers;
}

// The examples in a network whose weights are changed for a while.
class OutputChange {
 public:
  OutputChange(const CalibrationNetwork& network, const Weights& weights)
      : walk_(network.graph, values_of(weights), network.examples),
        outputs_(network.graph.outputs),
        classes_(network.classes),
        reference_(batch_outputs(walk_, outputs_)) {}

  void advance(int node, std::uint64_t most_bytes) { walk_.advance(node, most_bytes); }

  [[nodiscard]] bool has_products(const LinearLayer& layer) const {
    return walk_.has_examples(layer.product);
  }
  // What the layer makes now, by batch.
  [[nodiscard]] std::vector<GraphArray> products(const LinearLayer& layer) const {
    std::vector<GraphArray> products;
    for (GraphArrays& batch : batch_outputs(walk_, std::span(&layer.product, 1))) {
      products.push_back(std::move(batch.front()));
    }
    return products;
  }
  // From that on.
  [[nodiscard]] GraphWalk::Program behind(const LinearLayer& layer) const {
    return walk_.program_behind(layer.product, outputs_);
  }

  [[nodiscard]] double now() const { return change_to(batch_outputs(walk_, outputs_)); }
  [[nodiscard]] double with_products(const GraphWalk::Program& behind,
                                     std::vector<GraphArray> products) const {
    std::vector<GraphArrays> outputs;
    for (std::size_t batch = 0; batch < products.size(); ++batch) {
      outputs.push_back(behind.run(batch, std::move(products[batch])));
    }
    return change_to(outputs);
  }

 private:
  [[nodiscard]] double change_to(const std::vector<GraphArrays>& outputs) const {
    return output_change(reference_, outputs, classes_);
  }

  GraphWalk walk_;
  std::vector<ValueId> outputs_;
  std::size_t classes_;
  std::vector<GraphArrays> reference_;
};

// Takes the shift of the means of the layer's channels back.
void correct_means(const LinearLayer& layer, const std::vector<GraphArray>& exact,
                   std::vector<GraphArray>& products) {
  ProductDifferenceSums sums(layer);
  for (std::size_t batch = 0; batch < products.size(); ++batch) {
    sums.add(products[batch], exact[batch]);
  }
  const ProductDifferences differences = sums.take();
  for (GraphArray& product : products) {
    const std::size_t channels = layer.out_channels;
    const std::size_t count = product.bytes.size() / sizeof(float);
    const std::size_t inner = values_side_by_side(layer, product.shape);
    auto* const values = reinterpret_cast<float*>(product.bytes.data());
    parallel_for(count / (channels * inner), [&](std::size_t entry) {
      float* to = values + entry * channels * inner;
      for (std::size_t c = 0; c < channels; ++c) {
        const auto shift = static_cast<float>(differences.mean[c]);
        for (std::size_t i = 0; i < inner; ++i) *to++ -= shift;
      }
    });
  }
}

// Puts the values of a weight back at its end.
class KeptValues {
 public:
  explicit KeptValues(std::span<float> values)
      : values_(values), kept_(values.begin(), values.end()) {}
  ~KeptValues() { std::ranges::copy(kept_, values_.begin()); }
  KeptValues(const KeptValues&) = delete;
  KeptValues& operator=(const KeptValues&) = delete;

  [[nodiscard]] const std::vector<float>& kept() const { return kept_; }
  [[nodiscard]] std::span<float> values() const { return values_; }

 private:
  std::span<float> values_;
  std::vector<float> kept_;
};

// One tensor at its widths.
class TensorMeasurement {
 public:
  // `layer` is that whose weights it is; it may be null, as may `absorbed`.
  TensorMeasurement(const OutputChange& change, const TensorInfo& info, const LinearLayer* layer,
                    bool corrects, const AbsorbedWeights* absorbed, Weights& weights)
      : change_(change),
        info_(info),
        layer_(layer),
        corrects_(corrects),
        absorbed_(absorbed),
        weights_(weights) {
    if (layer_ == nullptr) return;
    behind_ = change_.behind(*layer_);
    if (corrects_) exact_ = change_.products(*layer_);
  }

  [[nodiscard]] double damage(const Scheme& scheme) const {
    const KeptValues kernel(weights_.values(info_.name));
    quantize(scheme, kernel);
    if (layer_ == nullptr) return change_.now();
    std::vector<GraphArray> products = change_.products(*layer_);
    if (corrects_) correct_means(*layer_, exact_, products);
    return change_.with_products(behind_, std::move(products));
  }

 private:
  void quantize(const Scheme& scheme, const KeptValues& kernel) const {
    if (absorbed_ != nullptr && absorbed_->has(info_.name)) {
      std::ranges::copy(absorbed_->restored(info_.name, scheme), kernel.values().begin());
      return;
    }
    const TensorGrid grid(kernel.kept(), scheme, info_, 0);
    std::vector<std::int64_t> codes(kernel.kept().size());
    grid.encode(0, kernel.kept(), codes);
    grid.decode(0, codes, kernel.values());
  }

  const OutputChange& change_;
  const TensorInfo& info_;
  const LinearLayer* layer_;
  bool corrects_;
  const AbsorbedWeights* absorbed_;
  Weights& weights_;
  GraphWalk::Program behind_;
  std::vector<GraphArray> exact_;  // products of the layer, unquantized
};

std::vector<double> measure_widths(const TensorMeasurement& measurement,
                                   std::span<const Scheme> schemes, const std::string& name) {
  std::vector<double> damages;
  for (const Scheme& scheme : schemes) {
    damages.push_back(measurement.damage(scheme));
    if (!std::isfinite(damages.back())) {
      throw Error(ErrorCategory::kNumeric,
                  fmt::format("with {} bits for {} the outputs of the network are not finite on "
                              "these images",
                              scheme.bits, name),
                  {Remedy::Kind::kExclude});
    }
    // None at all tells nothing of the next one.
    if (damages.back() > 0 && damages.back() < kSmallDamage) break;
  }
  return damages;
}

// By weight: the layers that make something of every example.
std::map<std::string, const LinearLayer*> layers_by_weight(const std::vector<LinearLayer>& layers,
                                                           const OutputChange& change) {
  std::map<std::string, const LinearLayer*> found;
  for (const LinearLayer& layer : layers) {
    if (change.has_products(layer)) found.emplace(layer.weights, &layer);
  }
  return found;
}

void require_images(const CheckpointReader& reader, const ImageSource& images) {
  const auto refuse = [&](const char* what) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{}: {}", reader.location().path.string(), what));
  };
  if (!is_any_graph(reader)) {
    refuse(
        "damage is measured in ONNX files and in TF-Slim's networks other than ResNet V1; estimate "
        "the damage to the output instead");
  }
  if (!images.has_examples()) {
    refuse("measured damage needs images (without labels) or arrays, and none were named");
  }
}

// Tensors of the table that are measured, in the order of the nodes that read them first.
struct Place {
  int node = 0;
  std::size_t tensor = 0;
};

std::vector<Place> places_of(const CheckpointReader& reader, std::span<const std::size_t> indices,
                             const Graph& graph) {
  const std::map<std::string, int> readers = first_readers(graph);
  std::vector<Place> places;
  for (std::size_t t = 0; t < indices.size(); ++t) {
    const auto found = readers.find(reader.tensors()[indices[t]].name);
    if (found != readers.end()) places.push_back({found->second, t});
  }
  std::ranges::sort(places, {},
                    [](const Place& place) { return std::pair(place.node, place.tensor); });
  return places;
}

// This process's places: what is behind a node has to be computed.
std::vector<Place> own_places(const std::vector<Place>& places, const Graph& graph) {
  std::vector<std::uint64_t> costs;
  for (const Place& place : places) {
    costs.push_back(graph.nodes.size() - static_cast<std::size_t>(place.node));
  }
  const std::vector<bool> is_own = deal_out(costs, exchange().share());
  std::vector<Place> own;
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (is_own[i]) own.push_back(places[i]);
  }
  return own;
}

// Where the result is made, what all processes have found.
void exchange_measured(const ShareKey& key, MeasuredWidths& measured) {
  if (exchange().is_alone()) return;
  ByteRecord record;
  for (std::size_t t = 0; t < measured.size(); ++t) {
    if (measured[t].empty()) continue;
    record.put(static_cast<std::uint64_t>(t));
    record.put_all(std::span<const double>(measured[t]));
  }
  for (const auto& part : exchange().gather("the measured damages", key, record.take())) {
    ByteRecordReader reader(part, "measured damages");
    while (!reader.is_empty()) {
      const auto t = reader.take<std::uint64_t>();
      auto damages = reader.take_all<double>();
      if (t >= measured.size() || damages.empty()) {
        throw Error(ErrorCategory::kCorrupt, "measured damages are of another checkpoint");
      }
      measured[t] = std::move(damages);
    }
  }
}

}  // namespace

MeasuredWidths measure_damage(const CheckpointReader& reader, std::span<const std::size_t> indices,
                              std::span<const Scheme> schemes, const AllocationRequest& request,
                              const AbsorbedWeights* absorbed, Observer* observer) {
  require_images(reader, request.images);
  agree_on_instructions();
  CalibrationImages images{with_preprocessing(request.images, reader), request.measured_images};
  images.source.image_size = image_size_of(reader, request.images.image_size);
  const CalibrationNetwork network = calibration_network(reader, &images, images.source.image_size);
  Weights weights = load_float_weights(network.graph, reader);
  const std::vector<Place> places = places_of(reader, indices, network.graph);
  const std::vector<Place> own = own_places(places, network.graph);
  const std::vector<LinearLayer> layers = linear_layers(network.graph);
  std::optional<OutputChange> change;
  std::map<std::string, const LinearLayer*> by_weight;
  if (!own.empty()) {
    change.emplace(network, weights);
    by_weight = layers_by_weight(layers, *change);
  }
  MeasuredWidths measured(indices.size());
  std::uint64_t done = 0;
  for (const auto& [node, t] : own) {
    const TensorInfo& info = reader.tensors()[indices[t]];
    std::vector<Scheme> of_tensor;
    for (const Scheme& scheme : schemes) {
      of_tensor.push_back(with_channel_axes(scheme, info, reader.location().format, request.axes));
    }
    change->advance(node, kMostKeptBytes);
    const auto found = by_weight.find(info.name);
    const LinearLayer* const layer = found != by_weight.end() ? found->second : nullptr;
    const bool corrects = request.bias_correct && layer != nullptr && (layer->norm || layer->bias);
    const TensorMeasurement measurement(*change, info, layer, corrects, absorbed, weights);
    measured[t] = measure_widths(measurement, of_tensor, info.name);
    report_progress(observer, ++done, own.size(), ProgressUnit::kSteps);
  }
  const ShareKey key = made_once([&] {
    return fmt::format("{} {} {} {}", fingerprint(reader), network.count,
                       images.source.pictures.string(), images.source.inputs.string());
  });
  exchange_measured(key, measured);
  const auto is_missing = [&](const Place& place) { return measured[place.tensor].empty(); };
  if (exchange().makes_result() && std::ranges::any_of(places, is_missing)) {
    throw Error(ErrorCategory::kCorrupt,
                "the parts hold too few measured damages; make them again");
  }
  return measured;
}

void put_measured(const MeasuredWidths& measured, std::vector<std::vector<WidthCost>>& table) {
  for (std::size_t t = 0; t < table.size(); ++t) {
    double power_before = 0;
    for (std::size_t s = 0; s < table[t].size(); ++s) {
      double& damage = table[t][s].damage;
      const double power = std::exchange(damage, 0);
      if (s < measured[t].size()) {
        damage = measured[t][s];
      } else if (!measured[t].empty()) {
        const double before = table[t][s - 1].damage;
        damage = power_before > 0 ? before * power / power_before : before;
      }
      power_before = power;
    }
  }
}

}  // namespace narrow
