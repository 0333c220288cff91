#include "tasks/evaluation/evaluation_pass.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "model/checkpoint_network.h"
#include "model/image_classifier.h"
#include "model/onnx/onnx_network.h"
#include "narrow/error.h"
#include "nn/execution/quantized_execution.h"
#include "tasks/evaluation/evaluation_metrics.h"

namespace narrow {
namespace {

std::optional<std::int64_t> read_global_step(const CheckpointReader& reader) {
  const auto index = reader.find("global_step");
  if (!index) return std::nullopt;
  const TensorInfo& info = reader.tensors()[*index];
  if (info.dtype != DType::kInt64 || element_count(info.shape) != 1) return std::nullopt;
  std::int64_t step = 0;
  reader.read(*index, std::as_writable_bytes(std::span(&step, 1)));
  return step;
}

std::string scope_of(const CheckpointReader& reader, const EvaluateOptions& options) {
  return options.model_name.empty() ? find_network_scope(reader) : options.model_name;
}

void require_moving_averages(const CheckpointReader& reader, const CheckpointVariables& variables,
                             const std::string& scope) {
  if (is_onnx(reader)) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} is an ONNX file, which has no moving averages",
                            reader.location().path.string()));
  }
  const std::string first = find_other_slim_network(scope) != nullptr
                                ? slim_network(scope, 1, false).graph.weights.front().name
                                : scope + "/conv1/weights";
  if (variables.find(first)) return;
  throw Error(ErrorCategory::kNotFound,
              fmt::format("{} has no moving averages of {}: there is no "
                          "{}/ExponentialMovingAverage; the variables themselves "
                          "are evaluated when no moving averages are asked for",
                          reader.location().path.string(), scope, first));
}

void require_classes(const CheckpointReader& reader, int found, const EvaluationData& data) {
  if (found == data.class_count()) return;
  throw Error(ErrorCategory::kUsage,
              fmt::format("the network of {} has {} classes{}, the images have {}",
                          reader.location().path.string(), found,
                          data.classes.empty() ? " or other outputs" : "", data.class_count()));
}

std::unique_ptr<ImageNetwork> make_network(const CheckpointReader& reader,
                                           const CheckpointVariables& variables, Graph graph,
                                           bool is_resnet_v1, const EvaluationData& data,
                                           int threads, Execution execution,
                                           const IntegerArithmetic& arithmetic) {
  if (data.examples) {
    ArrayClassifier classifier = array_classifier(std::move(graph), data.examples->shapes(1));
    require_classes(reader, classifier.outputs, data);
    return make_array_network(std::move(classifier), *data.examples, reader, variables, threads,
                              execution, arithmetic);
  }
  if (is_resnet_v1) {
    return make_slim_network(graph, variables, data.height, data.width, threads);
  }
  ImageClassifier classifier = image_classifier(std::move(graph), data.height, data.width);
  require_classes(reader, classifier.class_count, data);
  return make_graph_network(std::move(classifier), reader, variables, data.height, data.width,
                            threads, execution, arithmetic);
}

EvaluatedNetwork prepare(const CheckpointReader& reader, const std::string& scope, Graph graph,
                         const EvaluateOptions& options, const EvaluationData& data, int threads) {
  const CheckpointVariables variables(reader, options.use_moving_averages);
  if (data.arrays) data.arrays->require_fit(graph);
  if (data.examples) data.examples->require_fit(graph);
  const bool is_resnet_v1 = !is_onnx(reader) && find_other_slim_network(scope) == nullptr;
  const Execution execution = execution_of(graph, options.execution);
  try {
    return {reader.location(), scope, read_global_step(reader), execution,
            make_network(reader, variables, std::move(graph), is_resnet_v1, data, threads,
                         execution, options.arithmetic)};
  } catch (const Error& error) {
    throw Error(error.category(),
                fmt::format("{}: {}", reader.location().path.string(), error.what()),
                error.remedy());
  }
}

// Each worker reads and preprocesses the images of its own next micro-batch, so that no core waits
// for another and nothing is queued.
class Pass {
 public:
  Pass(const EvaluationData& data, std::span<const ImageNetwork* const> networks,
       std::span<const std::uint64_t> positions, const std::function<void(const LogitsPart&)>& take,
       const std::function<void(std::uint64_t)>& done)
      : data_(data),
        networks_(networks),
        positions_(positions),
        image_floats_(data.image_floats()),
        take_(take),
        done_(done),
        labels_(positions.size()) {}

  void run() {
    networks_.front()->run_each(
        static_cast<std::int64_t>(positions_.size()),
        [this](std::int64_t first, std::span<float> images) { load(first, images); },
        [this](std::int64_t first, std::span<const float> logits) {
          take(0, first, logits);
          if (networks_.size() > 1) run_others(first);
          const std::lock_guard lock(mutex_);
          done_(logits.size() / class_count());
        });
  }

 private:
  [[nodiscard]] std::size_t class_count() const {
    return static_cast<std::size_t>(data_.class_count());
  }

  void load(std::int64_t first, std::span<float> images) {
    const std::size_t count = images.size() / image_floats_;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t at = static_cast<std::size_t>(first) + i;
      labels_[at] = data_.load(positions_[at], images.subspan(i * image_floats_, image_floats_));
    }
    if (networks_.size() == 1) return;
    std::vector<float> copy(images.begin(), images.end());
    const std::lock_guard lock(mutex_);
    shared_images_[first] = std::move(copy);
  }

  // The first network may have overwritten its images; the others get the copy.
  void run_others(std::int64_t first) {
    std::vector<float> images;
    {
      const std::lock_guard lock(mutex_);
      const auto found = shared_images_.find(first);
      images = std::move(found->second);
      shared_images_.erase(found);
    }
    const std::size_t count = images.size() / image_floats_;
    std::vector<float> logits(count * class_count());
    for (std::size_t i = 1; i < networks_.size(); ++i) {
      networks_[i]->run(images, static_cast<std::int64_t>(count), logits);
      take(i, first, logits);
    }
  }

  void take(std::size_t network, std::int64_t first, std::span<const float> logits) const {
    const std::size_t count = logits.size() / class_count();
    const auto at = static_cast<std::size_t>(first);
    take_({network, positions_.subspan(at, count), std::span(labels_).subspan(at, count), logits});
  }

  const EvaluationData& data_;
  std::span<const ImageNetwork* const> networks_;
  std::span<const std::uint64_t> positions_;
  const std::size_t image_floats_;
  const std::function<void(const LogitsPart&)>& take_;
  const std::function<void(std::uint64_t)>& done_;  // called under mutex_
  std::vector<int> labels_;                         // each written before its images are taken

  std::mutex mutex_;
  std::map<std::int64_t, std::vector<float>> shared_images_;  // guarded by mutex_
};

}  // namespace

EvaluatedNetwork prepare_network(const CheckpointReader& reader, const EvaluateOptions& options,
                                 const EvaluationData& data, int threads) {
  const CheckpointVariables variables(reader, options.use_moving_averages);
  const std::string scope = scope_of(reader, options);
  if (options.use_moving_averages) require_moving_averages(reader, variables, scope);
  return prepare(reader, scope, network_of_checkpoint(reader, variables, scope, data.class_count()),
                 options, data, threads);
}

EvaluatedNetwork prepare_graph(const CheckpointReader& reader, Graph graph,
                               const EvaluateOptions& options, const EvaluationData& data,
                               int threads) {
  return prepare(reader, scope_of(reader, options), std::move(graph), options, data, threads);
}

void run_networks(const EvaluationData& data, std::span<const ImageNetwork* const> networks,
                  std::span<const std::uint64_t> positions,
                  const std::function<void(const LogitsPart&)>& take,
                  const std::function<void(std::uint64_t)>& done) {
  Pass(data, networks, positions, take, done).run();
}

void summarize(Evaluation& evaluation) {
  std::uint64_t correct = 0;
  std::uint64_t in_top_5 = 0;
  std::uint64_t images = 0;
  double loss = 0;
  for (const Prediction& prediction : evaluation.predictions) {
    if (prediction.label < 0) continue;
    ++images;
    correct += prediction.is_correct() ? 1 : 0;
    in_top_5 += prediction.is_in_top_5 ? 1 : 0;
    loss += prediction.cross_entropy;
  }
  evaluation.accuracy = make_hit_rate(correct, images);
  evaluation.recall_at_5 = make_hit_rate(in_top_5, images);
  evaluation.mean_loss = loss / static_cast<double>(images);
}

}  // namespace narrow
