#include "tasks/training/training_batches.h"

#include <algorithm>
#include <string>

#include "base/checked.h"
#include "graph/matchers.h"
#include "narrow/error.h"
#include "tasks/source_images.h"
#include "tasks/training/training_start.h"

namespace narrow {
namespace {

class ImageBatches : public TrainingBatches {
 public:
  ImageBatches(const Dataset& dataset, const LoaderOptions& options) : loader_(dataset, options) {}

  StepLoss forward_backward(TrainingNetwork& network, const GradientSink& sink) override {
    loader_.next(batch_);
    return network.forward_backward(batch_.images, batch_.labels, sink);
  }

 private:
  BatchLoader loader_;
  Batch batch_;
};

class FeatureBatches : public TrainingBatches {
 public:
  FeatureBatches(std::uint64_t records, const LoaderOptions& options, std::size_t depth)
      : depth_(depth),
        batch_size_(static_cast<std::size_t>(options.batch_size)),
        position_(options.first_step * batch_size_),
        order_(records, {true, options.shuffle, options.seed}),
        features_(records * depth),
        labels_(records),
        batch_features_(batch_size_ * depth),
        batch_labels_(batch_size_) {}

  [[nodiscard]] std::span<float> features() { return features_; }
  [[nodiscard]] std::span<std::int32_t> labels() { return labels_; }

  StepLoss forward_backward(TrainingNetwork& network, const GradientSink& sink) override {
    for (std::size_t i = 0; i < batch_size_; ++i) {
      const auto record = static_cast<std::ptrdiff_t>(order_.at(position_++).record);
      const auto depth = static_cast<std::ptrdiff_t>(depth_);
      std::copy_n(features_.begin() + record * depth, depth,
                  batch_features_.begin() + static_cast<std::ptrdiff_t>(i) * depth);
      batch_labels_[i] = labels_[static_cast<std::size_t>(record)];
    }
    return network.forward_backward_features(batch_features_, batch_labels_, sink);
  }

 private:
  std::size_t depth_;
  std::size_t batch_size_;
  std::uint64_t position_;
  RecordOrder order_;
  std::vector<float> features_;
  std::vector<std::int32_t> labels_;
  std::vector<float> batch_features_;
  std::vector<std::int32_t> batch_labels_;
};

// How many features of an image the logits read: their weights are [..., features, classes].
std::size_t feature_channels(const Graph& network) {
  const std::string name = logits_scope(network) + "/weights";
  const auto weights = std::ranges::find(network.weights, name, &Weight::name);
  return static_cast<std::size_t>(weights->shape.rbegin()[1]);
}

}  // namespace

PreprocessingOptions training_preprocessing(const TrainOptions& options) {
  PreprocessingOptions preprocessing = preprocessing_of(options.images);
  preprocessing.resize_side_min = options.resize_side_min;
  preprocessing.resize_side_max = options.resize_side_max;
  preprocessing.augmentation = parse_augmentation(options.augment);
  validate_for_training(preprocessing);
  return preprocessing;
}

LoaderOptions training_loader(const TrainOptions& options, std::int64_t first_step, int threads) {
  LoaderOptions loader;
  loader.preprocessing = training_preprocessing(options);
  loader.training = true;
  loader.shuffle = options.shuffle;
  loader.batch_size = options.batch_size;
  loader.seed = options.seed;
  loader.first_step = static_cast<std::uint64_t>(first_step);
  loader.stride = static_cast<std::uint64_t>(options.num_clones);
  loader.threads = threads;
  return loader;
}

std::unique_ptr<TrainingBatches> image_batches(const Dataset& dataset,
                                               const LoaderOptions& options) {
  return std::make_unique<ImageBatches>(dataset, options);
}

bool can_cache_features(const TrainOptions& options, const Graph& network,
                        const std::vector<std::string>& trained, std::uint64_t records) {
  const std::string scope = logits_scope(network) + "/";
  const bool only_logits = std::ranges::all_of(
      trained, [&](const std::string& name) { return name.starts_with(scope); });
  if (options.num_clones != 1 || options.batch_norm != BatchNormMode::kFrozen || !only_logits ||
      std::ranges::any_of(network.nodes, is_any<op::Dropout>) || network.outputs.size() != 1 ||
      parse_augmentation(options.augment) != Augmentation::kNone) {
    return false;
  }
  const auto seen = static_cast<std::uint64_t>(options.max_number_of_steps.value_or(0)) *
                    static_cast<std::uint64_t>(options.batch_size);
  const std::uint64_t bytes =
      static_cast<std::uint64_t>(feature_channels(network)) * sizeof(float) * records;
  return bytes <= kMostFeatureBytes && (!options.max_number_of_steps || seen > records);
}

std::unique_ptr<TrainingBatches> feature_batches(const Dataset& dataset,
                                                 const LoaderOptions& options,
                                                 TrainingNetwork& network, Observer& observer) {
  const std::size_t depth = feature_channels(network.graph());
  auto batches = std::make_unique<FeatureBatches>(dataset.size(), options, depth);
  LoaderOptions one_pass = options;
  one_pass.training = false;
  one_pass.first_step = 0;
  BatchLoader loader(dataset, one_pass);
  std::size_t done = 0;
  for (Batch batch; loader.next(batch); done += batch.size()) {
    if (!observer.on_progress(done, dataset.size(), ProgressUnit::kImages)) {
      throw Error(ErrorCategory::kInterrupted, "interrupted before the first step");
    }
    network.features(batch.images, batches->features().subspan(done * depth, batch.size() * depth));
    std::ranges::copy(batch.labels, batches->labels().begin() + static_cast<std::ptrdiff_t>(done));
  }
  return batches;
}

}  // namespace narrow
