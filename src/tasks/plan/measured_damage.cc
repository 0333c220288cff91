#include "tasks/plan/measured_damage.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>

#include "base/run_progress.h"
#include "graph/linear_layers.h"
#include "model/checkpoint_network.h"
#include "model/network_variables.h"
#include "narrow/channel_axes.h"
#include "narrow/error.h"
#include "nn/execution/graph_walk.h"
#include "quant/tensor_grid.h"
#include "tasks/network/calibration_images.h"
#include "tasks/network/image_graph.h"
#include "tasks/plan/output_change.h"

namespace narrow {
namespace {

constexpr std::uint64_t kMostKeptBytes = std::uint64_t{1} << 30;
constexpr double kSmallDamage = 1e-4;

std::span<const float> floats_of(const GraphArray& array) {
  return {reinterpret_cast<const float*>(array.bytes.data()), array.bytes.size() / sizeof(float)};
}

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

// The images in a network whose weights are changed for a while.
class OutputChange {
 public:
  OutputChange(const Graph& graph, const Weights& weights, GraphArray images,
               std::size_t class_count)
      : walk_(graph, values_of(weights), std::move(images)),
        output_(graph.outputs.front()),
        class_count_(class_count) {
    reference_ = batch_outputs(walk_, output_);
  }

  void advance(int node) { walk_.advance(node, kMostKeptBytes); }

  // Of the values of each channel of what the layer makes now, before its normalization.
  [[nodiscard]] std::vector<double> channel_means(const LinearLayer& layer) const {
    const GraphWalk::Program program = walk_.program({{layer.product}});
    std::vector<double> sums(layer.out_channels, 0);
    std::size_t count = 0;
    for (std::size_t batch = 0; batch < walk_.batches(); ++batch) {
      const GraphArray product = program.run(batch).front();
      const std::span<const float> values = floats_of(product);
      std::size_t inner = 1;
      for (std::size_t axis = 2; layer.is_convolution() && axis < product.shape.size(); ++axis) {
        inner *= static_cast<std::size_t>(product.shape[axis]);
      }
      for (std::size_t i = 0; i < values.size(); ++i) sums[i / inner % sums.size()] += values[i];
      count += values.size() / sums.size();
    }
    for (double& sum : sums) sum /= static_cast<double>(count);
    return sums;
  }

  [[nodiscard]] bool has_means(const LinearLayer& layer) const {
    return walk_.has_examples(layer.product);
  }

  // Mean over the images of KL(reference || now).
  [[nodiscard]] double divergence_now() const {
    return mean_divergence(reference_, batch_outputs(walk_, output_), class_count_);
  }

 private:
  GraphWalk walk_;
  ValueId output_;
  std::size_t class_count_;
  std::vector<GraphArray> reference_;  // logits by batch
};

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
  // `layer` is that whose means are to be corrected; it may be null, as may `absorbed`.
  TensorMeasurement(const OutputChange& change, const TensorInfo& info, const LinearLayer* layer,
                    const AbsorbedWeights* absorbed, Weights& weights)
      : change_(change), info_(info), layer_(layer), absorbed_(absorbed), weights_(weights) {
    if (layer_ != nullptr) means_ = change_.channel_means(*layer_);
  }

  [[nodiscard]] double damage(const Scheme& scheme) const {
    const KeptValues kernel(weights_.values(info_.name));
    quantize(scheme, kernel);
    if (layer_ == nullptr) return change_.divergence_now();
    const KeptValues constants(
        weights_.values(layer_->norm ? layer_->norm->moving_mean : *layer_->bias));
    const std::vector<double> now = change_.channel_means(*layer_);
    for (std::size_t c = 0; c < now.size(); ++c) {
      const double shift = now[c] - means_[c];
      float& constant = constants.values()[c];
      constant = static_cast<float>(constant + (layer_->norm ? shift : -shift));
    }
    return change_.divergence_now();
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
  const AbsorbedWeights* absorbed_;
  Weights& weights_;
  std::vector<double> means_;  // of the layer's channels, unquantized
};

void measure_widths(const TensorMeasurement& measurement, std::span<const Scheme> schemes,
                    const std::string& name, std::vector<WidthCost>& costs) {
  const std::vector<WidthCost> by_weight = costs;
  for (std::size_t s = 0; s < schemes.size(); ++s) {
    const double before = s > 0 ? by_weight[s - 1].damage : 0;
    if (s > 0 && costs[s - 1].damage < kSmallDamage && before > 0) {
      costs[s].damage = costs[s - 1].damage * by_weight[s].damage / before;
      continue;
    }
    costs[s].damage = measurement.damage(schemes[s]);
    if (std::isfinite(costs[s].damage)) continue;
    throw Error(ErrorCategory::kNumeric,
                fmt::format("with {} bits for {} the outputs of the network are not finite on "
                            "these images",
                            schemes[s].bits, name),
                {Remedy::Kind::kExclude});
  }
}

// By weight: the layers whose means can be corrected.
std::map<std::string, const LinearLayer*> corrected_layers(const std::vector<LinearLayer>& layers,
                                                           const OutputChange& change) {
  std::map<std::string, const LinearLayer*> corrected;
  for (const LinearLayer& layer : layers) {
    if ((layer.norm || layer.bias) && change.has_means(layer)) {
      corrected.emplace(layer.weights, &layer);
    }
  }
  return corrected;
}

void require_images(const CheckpointReader& reader, const ImageSource& images) {
  const auto refuse = [&](const char* what) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{}: {}", reader.location().path.string(), what));
  };
  if (!is_any_graph(reader)) {
    refuse(
        "damage is measured in ONNX files that classify images and in TF-Slim's networks other "
        "than ResNet V1; estimate the damage to the output instead");
  }
  if (images.pictures.empty() && images.dataset_name.empty()) {
    refuse("measured damage needs images (without labels), and none were named");
  }
}

}  // namespace

void measure_damage(const CheckpointReader& reader, std::span<const std::size_t> indices,
                    std::span<const Scheme> schemes, const AllocationRequest& request,
                    const AbsorbedWeights* absorbed, Observer* observer,
                    std::vector<std::vector<WidthCost>>& table) {
  require_images(reader, request.images);
  CalibrationImages images{with_preprocessing(request.images, reader), request.measured_images};
  images.source.image_size = image_size_of(reader, request.images.image_size);
  const ImageClassifier classifier =
      classifier_of_images(reader, &images.source, images.source.image_size);
  Weights weights = load_float_weights(classifier.graph, reader);
  OutputChange change(classifier.graph, weights,
                      input_of_images(load_calibration_images(images), classifier.channels_last),
                      static_cast<std::size_t>(classifier.class_count));
  const std::map<std::string, int> readers = first_readers(classifier.graph);
  std::vector<std::pair<int, std::size_t>> order;  // first reader, place in the table
  for (std::size_t t = 0; t < indices.size(); ++t) {
    const auto found = readers.find(reader.tensors()[indices[t]].name);
    if (found != readers.end()) {
      order.emplace_back(found->second, t);
    } else {
      for (WidthCost& cost : table[t]) cost.damage = 0;
    }
  }
  std::ranges::sort(order);
  const std::vector<LinearLayer> layers = linear_layers(classifier.graph);
  std::map<std::string, const LinearLayer*> corrected;
  if (request.bias_correct) corrected = corrected_layers(layers, change);
  std::uint64_t done = 0;
  for (const auto& [node, t] : order) {
    const TensorInfo& info = reader.tensors()[indices[t]];
    std::vector<Scheme> of_tensor;
    for (const Scheme& scheme : schemes) {
      of_tensor.push_back(with_channel_axes(scheme, info, reader.location().format, request.axes));
    }
    change.advance(node);
    const auto layer = corrected.find(info.name);
    const TensorMeasurement measurement(
        change, info, layer != corrected.end() ? layer->second : nullptr, absorbed, weights);
    measure_widths(measurement, of_tensor, info.name, table[t]);
    report_progress(observer, ++done, order.size(), ProgressUnit::kSteps);
  }
}

}  // namespace narrow
