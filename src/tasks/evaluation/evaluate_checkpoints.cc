#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <utility>

#include "base/checked.h"
#include "base/parallel.h"
#include "data/dataset.h"
#include "data/preprocess/preprocessing.h"
#include "narrow/error.h"
#include "narrow/evaluate.h"
#include "nn/inference/inference_network.h"
#include "tasks/evaluation/checkpoint_network.h"
#include "tasks/evaluation/evaluation_metrics.h"

namespace narrow {
namespace {

// Results for so many images are kept: some 100 bytes each.
constexpr std::uint64_t kMostImages = std::uint64_t{1} << 28;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void require_usable(std::span<const std::shared_ptr<const CheckpointReader>> checkpoints,
                    const EvaluateOptions& options) {
  if (checkpoints.empty()) {
    throw Error(ErrorCategory::kUsage, "there is no checkpoint to evaluate");
  }
  if (options.batch_size < 1) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("the batch size is {}; it must be at least 1", options.batch_size));
  }
}

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

PreprocessingOptions preprocessing_of(const EvaluateOptions& options) {
  PreprocessingOptions preprocessing;
  // That of every ResNet V1 in Slim's table is kVgg; a variant is seen like them.
  if (!options.preprocessing_name.empty()) {
    preprocessing.kind = preprocessing_for(options.preprocessing_name);
  }
  preprocessing.output_size = options.image_size;
  preprocessing.resize_side = options.resize_side;
  validate(preprocessing);
  return preprocessing;
}

// One checkpoint made ready.
struct Contestant {
  Evaluation evaluation;
  InferenceNetwork network;
};

void require_moving_averages(const CheckpointReader& reader, const CheckpointVariables& variables,
                             const std::string& scope) {
  if (variables.find(scope + "/conv1/weights")) return;
  throw Error(ErrorCategory::kNotFound,
              fmt::format("{} has no moving averages of {}: there is no "
                          "{}/conv1/weights/ExponentialMovingAverage; without "
                          "--moving_average_decay the variables themselves are evaluated",
                          reader.location().path.string(), scope, scope));
}

Contestant prepare(const CheckpointReader& reader, const EvaluateOptions& options, int class_count,
                   int threads) {
  const CheckpointVariables variables(reader, options.use_moving_averages);
  const std::string scope =
      options.model_name.empty() ? find_network_scope(reader) : options.model_name;
  Evaluation evaluation;
  evaluation.checkpoint = reader.location();
  evaluation.network = scope;
  evaluation.global_step = read_global_step(reader);
  if (options.use_moving_averages) require_moving_averages(reader, variables, scope);
  const ResnetV1 network = network_of_checkpoint(reader, variables, scope, class_count);
  try {
    return {std::move(evaluation), InferenceNetwork(network, variables, options.image_size,
                                                    options.image_size, {.threads = threads})};
  } catch (const Error& error) {
    throw Error(error.category(),
                fmt::format("{}: {}", reader.location().path.string(), error.what()));
  }
}

// Runs every network over the images. Each worker reads and preprocesses the images of its own next
// micro-batch, so that no core waits for another and nothing is queued.
class Pass {
 public:
  Pass(const Dataset& dataset, const PreprocessingOptions& preprocessing,
       std::vector<Contestant>& contestants, std::uint64_t images, EvaluateObserver* observer)
      : dataset_(dataset),
        preprocessing_(preprocessing),
        contestants_(contestants),
        images_(images),
        image_floats_(preprocessed_size(preprocessing)),
        observer_(observer) {
    for (Contestant& contestant : contestants_) {
      contestant.evaluation.predictions.resize(static_cast<std::size_t>(images));
    }
    labels_.resize(static_cast<std::size_t>(images));
  }

  void run() {
    contestants_.front().network.run_each(
        static_cast<std::int64_t>(images_),
        [this](std::int64_t first, std::span<float> images) { load(first, images); },
        [this](std::int64_t first, std::span<const float> logits) {
          score(contestants_.front(), first, logits);
          if (contestants_.size() > 1) run_others(first);
          report(logits.size() / class_count());
        });
  }

 private:
  [[nodiscard]] std::size_t class_count() const {
    return static_cast<std::size_t>(dataset_.class_count());
  }

  [[nodiscard]] std::size_t record_at(std::size_t position) const {
    return position % dataset_.size();
  }

  void load(std::int64_t first, std::span<float> images) {
    const std::size_t count = images.size() / image_floats_;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t position = static_cast<std::size_t>(first) + i;
      const LabeledImage labeled = dataset_.read(record_at(position));
      preprocess_for_evaluation(labeled.image, preprocessing_,
                                images.subspan(i * image_floats_, image_floats_));
      labels_[position] = labeled.label;
    }
    if (contestants_.size() == 1) return;
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
    for (std::size_t i = 1; i < contestants_.size(); ++i) {
      contestants_[i].network.run(images, static_cast<std::int64_t>(count), logits);
      score(contestants_[i], first, logits);
    }
  }

  void score(Contestant& contestant, std::int64_t first, std::span<const float> logits) const {
    for (std::size_t i = 0; i < logits.size() / class_count(); ++i) {
      const std::size_t position = static_cast<std::size_t>(first) + i;
      contestant.evaluation.predictions[position] = score_logits(
          logits.subspan(i * class_count(), class_count()), labels_[position], record_at(position));
    }
  }

  void report(std::size_t images) {
    const std::lock_guard lock(mutex_);
    done_ += images;
    if (observer_ != nullptr && !observer_->on_images(done_, images_)) {
      throw Error(ErrorCategory::kInterrupted,
                  fmt::format("the evaluation was stopped after {} of {} images", done_, images_));
    }
  }

  const Dataset& dataset_;
  const PreprocessingOptions preprocessing_;
  std::vector<Contestant>& contestants_;
  const std::uint64_t images_;
  const std::size_t image_floats_;
  EvaluateObserver* observer_;
  std::vector<int> labels_;  // by position; each written before its images are scored

  std::mutex mutex_;
  std::map<std::int64_t, std::vector<float>> shared_images_;  // guarded by mutex_
  std::uint64_t done_ = 0;                                    // guarded by mutex_
};

// In the order of the images, so that the mean does not depend on who was ready first.
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

}  // namespace

EvaluateResult evaluate_checkpoints(
    std::span<const std::shared_ptr<const CheckpointReader>> checkpoints,
    const EvaluateOptions& options, EvaluateObserver* observer) {
  require_usable(checkpoints, options);
  const PreprocessingOptions preprocessing = preprocessing_of(options);
  const Dataset dataset(options.dataset_dir, find_dataset_spec(options.dataset_name),
                        options.dataset_split_name, options.labels_offset);
  if (dataset.size() == 0) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{} has no records; make it anew", dataset.records().path().string()));
  }
  const ThreadLimit limit(options.threads);
  const auto preparation_start = std::chrono::steady_clock::now();
  const std::uint64_t images = count_images(dataset.size(), options);
  std::vector<Contestant> contestants;
  for (const auto& reader : checkpoints) {
    contestants.push_back(prepare(*reader, options, dataset.class_count(), limit.threads()));
  }
  EvaluateResult result;
  result.preparation_seconds = seconds_since(preparation_start);
  const auto start = std::chrono::steady_clock::now();
  Pass(dataset, preprocessing, contestants, images, observer).run();
  result.seconds = seconds_since(start);
  result.records = dataset.records().path();
  result.dataset_name = options.dataset_name;
  result.split_name = options.dataset_split_name;
  result.classes = dataset.classes();
  result.records_in_file = dataset.size();
  result.images = images;
  result.preprocessing = to_string(preprocessing.kind);
  result.image_size = preprocessing.output_size;
  result.resize_side = preprocessing.resize_side;
  for (Contestant& contestant : contestants) {
    summarize(contestant.evaluation);
    result.evaluations.push_back(std::move(contestant.evaluation));
  }
  for (std::size_t i = 1; i < result.evaluations.size(); ++i) {
    result.comparisons.push_back(compare_predictions(result.evaluations.front().predictions,
                                                     result.evaluations[i].predictions));
  }
  return result;
}

}  // namespace narrow
