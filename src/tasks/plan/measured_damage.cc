#include "tasks/plan/measured_damage.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>

#include "base/run_progress.h"
#include "model/onnx/onnx_network.h"
#include "narrow/channel_axes.h"
#include "narrow/error.h"
#include "nn/execution/graph_walk.h"
#include "quant/tensor_grid.h"
#include "tasks/evaluation/evaluation_metrics.h"
#include "tasks/network/calibration_images.h"
#include "tasks/network/image_graph.h"

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
    const GraphWalk::Program program = walk_.program({{output_}});
    for (std::size_t batch = 0; batch < walk_.batches(); ++batch) {
      reference_.push_back(std::move(program.run(batch).front()));
    }
  }

  void advance(int node) { walk_.advance(node, kMostKeptBytes); }

  // Mean over the images of KL(reference || now).
  [[nodiscard]] double divergence_now() const {
    const GraphWalk::Program program = walk_.program({{output_}});
    double sum = 0;
    std::size_t images = 0;
    for (std::size_t batch = 0; batch < walk_.batches(); ++batch) {
      const GraphArray logits = program.run(batch).front();
      const std::span<const float> now = floats_of(logits);
      const std::span<const float> before = floats_of(reference_[batch]);
      for (std::size_t i = 0; i < now.size(); i += class_count_, ++images) {
        sum += divergence(before.subspan(i, class_count_), now.subspan(i, class_count_));
      }
    }
    return sum / static_cast<double>(images);
  }

 private:
  GraphWalk walk_;
  ValueId output_;
  std::size_t class_count_;
  std::vector<GraphArray> reference_;  // logits by batch
};

// Of one tensor at all of its widths.
void measure_tensor(const OutputChange& change, const TensorInfo& info,
                    std::span<const Scheme> schemes, Weights& weights,
                    std::vector<WidthCost>& costs) {
  const std::span<float> values = weights.values(info.name);
  const std::vector<float> exact(values.begin(), values.end());
  const std::vector<WidthCost> by_weight = costs;
  std::vector<std::int64_t> codes(exact.size());
  for (std::size_t s = 0; s < schemes.size(); ++s) {
    const double before = s > 0 ? by_weight[s - 1].damage : 0;
    if (s > 0 && costs[s - 1].damage < kSmallDamage && before > 0) {
      costs[s].damage = costs[s - 1].damage * by_weight[s].damage / before;
      continue;
    }
    const TensorGrid grid(exact, schemes[s], info, 0);
    grid.encode(0, exact, codes);
    grid.decode(0, codes, values);
    costs[s].damage = change.divergence_now();
    std::ranges::copy(exact, values.begin());
    if (std::isfinite(costs[s].damage)) continue;
    throw Error(ErrorCategory::kNumeric,
                fmt::format("with {} bits for {} the outputs of the network are not finite on "
                            "these images",
                            schemes[s].bits, info.name),
                {Remedy::Kind::kExclude});
  }
}

void require_images(const CheckpointReader& reader, const ImageSource& images) {
  const auto refuse = [&](const char* what) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{}: {}", reader.location().path.string(), what));
  };
  if (!is_onnx(reader)) {
    refuse(
        "damage is measured in ONNX files that classify images; estimate the damage to the "
        "output instead");
  }
  if (images.pictures.empty() && images.dataset_name.empty()) {
    refuse("measured damage needs images (without labels), and none were named");
  }
}

}  // namespace

void measure_damage(const CheckpointReader& reader, std::span<const std::size_t> indices,
                    std::span<const Scheme> schemes, const AllocationRequest& request,
                    Observer* observer, std::vector<std::vector<WidthCost>>& table) {
  require_images(reader, request.images);
  CalibrationImages images{request.images, request.measured_images};
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
  std::uint64_t done = 0;
  for (const auto& [node, t] : order) {
    const TensorInfo& info = reader.tensors()[indices[t]];
    std::vector<Scheme> of_tensor;
    for (const Scheme& scheme : schemes) {
      of_tensor.push_back(with_channel_axes(scheme, info, reader.location().format, request.axes));
    }
    change.advance(node);
    measure_tensor(change, info, of_tensor, weights, table[t]);
    report_progress(observer, ++done, order.size(), ProgressUnit::kSteps);
  }
}

}  // namespace narrow
