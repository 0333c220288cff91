#include "tasks/evaluation/evaluation_pass.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "base/checked.h"
#include "model/checkpoint_network.h"
#include "narrow/error.h"
#include "tasks/evaluation/evaluation_metrics.h"
#include "tasks/source_images.h"

namespace narrow {
namespace {

// Results for so many images are kept: some 100 bytes each.
constexpr std::uint64_t kMostImages = std::uint64_t{1} << 28;

std::uint64_t count_images(std::uint64_t records, const EvaluateOptions& options) {
  const auto batch = static_cast<std::uint64_t>(options.batch_size);
  const std::uint64_t batches =
      options.max_num_batches > 0 ? options.max_num_batches : (records + batch - 1) / batch;
  std::uint64_t images = 0;
  const bool fits = checked_mul(batches, batch, &images);
  if (!options.slim_batches) return fits ? std::min(images, records) : records;
  if (!fits || images > kMostImages) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} batches of {} images are more than the {} images that one "
                            "evaluation counts",
                            batches, batch, kMostImages));
  }
  return images;
}

std::optional<std::int64_t> read_global_step(const CheckpointReader& reader) {
  const auto index = reader.find("global_step");
  if (!index) return std::nullopt;
  const TensorInfo& info = reader.tensors()[*index];
  if (info.dtype != DType::kInt64 || element_count(info.shape) != 1) return std::nullopt;
  std::int64_t step = 0;
  reader.read(*index, std::as_writable_bytes(std::span(&step, 1)));
  return step;
}

void require_moving_averages(const CheckpointReader& reader, const CheckpointVariables& variables,
                             const std::string& scope) {
  if (variables.find(scope + "/conv1/weights")) return;
  throw Error(ErrorCategory::kNotFound,
              fmt::format("{} has no moving averages of {}: there is no "
                          "{}/conv1/weights/ExponentialMovingAverage; the variables themselves "
                          "are evaluated when no moving averages are asked for",
                          reader.location().path.string(), scope, scope));
}

// Labels that are numbers do not tell how many classes there are; the network does.
void name_classes_of(const CheckpointReader& reader, const EvaluateOptions& options,
                     Dataset& dataset) {
  const CheckpointVariables variables(reader, options.use_moving_averages);
  const std::string scope =
      options.model_name.empty() ? find_network_scope(reader) : options.model_name;
  dataset.name_more_classes(checkpoint_class_count(variables, scope).value_or(0));
}

// Each worker reads and preprocesses the images of its own next micro-batch, so that no core waits
// for another and nothing is queued.
class Pass {
 public:
  Pass(const EvaluationData& data, std::span<const InferenceNetwork* const> networks,
       std::span<const std::uint64_t> positions, const std::function<void(const LogitsPart&)>& take,
       const std::function<void(std::uint64_t)>& done)
      : data_(data),
        networks_(networks),
        positions_(positions),
        image_floats_(preprocessed_size(data.preprocessing)),
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
    return static_cast<std::size_t>(data_.dataset.class_count());
  }

  void load(std::int64_t first, std::span<float> images) {
    const std::size_t count = images.size() / image_floats_;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t at = static_cast<std::size_t>(first) + i;
      const LabeledImage labeled = data_.dataset.read(positions_[at] % data_.dataset.size());
      preprocess_for_evaluation(labeled.image, data_.preprocessing,
                                images.subspan(i * image_floats_, image_floats_));
      labels_[at] = labeled.label;
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
  std::span<const InferenceNetwork* const> networks_;
  std::span<const std::uint64_t> positions_;
  const std::size_t image_floats_;
  const std::function<void(const LogitsPart&)>& take_;
  const std::function<void(std::uint64_t)>& done_;  // called under mutex_
  std::vector<int> labels_;                         // each written before its images are taken

  std::mutex mutex_;
  std::map<std::int64_t, std::vector<float>> shared_images_;  // guarded by mutex_
};

}  // namespace

EvaluationData open_evaluation_data(const CheckpointReader& reader,
                                    const EvaluateOptions& options) {
  if (options.batch_size < 1) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("the batch size is {}; it must be at least 1", options.batch_size));
  }
  const PreprocessingOptions preprocessing = preprocessing_of(options.images);
  EvaluationData data{open_dataset(options.images), preprocessing, 0};
  if (data.dataset.size() == 0) {
    throw Error(ErrorCategory::kCorrupt, fmt::format("{} has no records; make it again",
                                                     data.dataset.records().path().string()));
  }
  data.images = count_images(data.dataset.size(), options);
  if (data.dataset.has_more_classes()) name_classes_of(reader, options, data.dataset);
  return data;
}

EvaluatedImages describe(const EvaluationData& data, const EvaluateOptions& options) {
  EvaluatedImages images;
  images.records = data.dataset.records().path();
  images.dataset_name = options.images.name();
  images.split_name = options.images.split();
  images.classes = data.dataset.classes();
  images.records_in_file = data.dataset.size();
  images.images = data.images;
  images.preprocessing = to_string(data.preprocessing.kind);
  images.image_size = data.preprocessing.output_size;
  const bool is_cropped = data.preprocessing.resize == ResizeMode::kCrop;
  images.resize_side = is_cropped ? data.preprocessing.resize_side : 0;
  images.changes = describe_changes(options.images);
  return images;
}

PreparedNetwork prepare_network(const CheckpointReader& reader, const EvaluateOptions& options,
                                int class_count, int threads) {
  const CheckpointVariables variables(reader, options.use_moving_averages);
  const std::string scope =
      options.model_name.empty() ? find_network_scope(reader) : options.model_name;
  if (options.use_moving_averages) require_moving_averages(reader, variables, scope);
  const Graph network = network_of_checkpoint(reader, variables, scope, class_count);
  try {
    return {reader.location(), scope, read_global_step(reader),
            InferenceNetwork(network, variables, options.images.image_size,
                             options.images.image_size, {.threads = threads})};
  } catch (const Error& error) {
    throw Error(error.category(),
                fmt::format("{}: {}", reader.location().path.string(), error.what()),
                error.remedy());
  }
}

void run_networks(const EvaluationData& data, std::span<const InferenceNetwork* const> networks,
                  std::span<const std::uint64_t> positions,
                  const std::function<void(const LogitsPart&)>& take,
                  const std::function<void(std::uint64_t)>& done) {
  Pass(data, networks, positions, take, done).run();
}

void summarize(Evaluation& evaluation) {
  std::uint64_t correct = 0;
  std::uint64_t in_top_5 = 0;
  double loss = 0;
  for (const Prediction& prediction : evaluation.predictions) {
    correct += prediction.is_correct() ? 1 : 0;
    in_top_5 += prediction.is_in_top_5 ? 1 : 0;
    loss += prediction.cross_entropy;
  }
  const std::uint64_t images = evaluation.predictions.size();
  evaluation.accuracy = make_hit_rate(correct, images);
  evaluation.recall_at_5 = make_hit_rate(in_top_5, images);
  evaluation.mean_loss = loss / static_cast<double>(images);
}

}  // namespace narrow
