#include "tasks/example/example_training.h"

namespace narrow {
namespace {

// About three minutes of ResNet V1 50 at 32 pixels on 2 cores: enough for Fashion-MNIST.
constexpr std::int64_t kDefaultSteps = 600;
// CIFAR-10 wants half an hour.
constexpr std::int64_t kCifarSteps = 5000;
constexpr std::int64_t kWarmupSteps = 50;
constexpr std::int64_t kStepsPerCheckpoint = 200;

}  // namespace

TrainOptions example_training(const ExampleOptions& options, std::uint64_t train_images) {
  TrainOptions training;
  training.train_dir = options.directory / "train";
  training.model_name = options.model_name;
  if (!options.checkpoint_path.empty()) {
    training.checkpoint_path = options.checkpoint_path;
    training.checkpoint_exclude_scopes = {options.model_name + "/logits"};
  }
  training.images.dataset_name = options.dataset_name;
  training.images.dataset_dir = options.directory / "data";
  training.images.image_size = options.image_size;
  training.images.resize_side = options.image_size;
  const bool is_cifar = options.dataset_name == "cifar10";
  training.augment = is_cifar ? "cifar" : "none";  // less than one epoch needs no variation
  training.batch_size = options.batch_size;
  training.max_number_of_steps = options.steps > 0 ? static_cast<std::int64_t>(options.steps)
                                                   : (is_cifar ? kCifarSteps : kDefaultSteps);
  // Slim's RMSProp with epsilon 1 and its slow decay are made for weeks of ImageNet; a few hundred
  // steps learn more with Adam and a rate that falls to nearly nothing.
  training.optimizer.kind = OptimizerKind::kAdam;
  training.optimizer.epsilon = 1e-5;
  training.learning_rate.decay = LearningRateDecay::kCosine;
  training.learning_rate.initial = options.checkpoint_path.empty() ? 0.001 : 0.0001;
  training.learning_rate.end = 1e-6;
  training.learning_rate.warmup_steps = kWarmupSteps;
  // The whole training, so that the rate reaches its end with the last step.
  training.num_epochs_per_decay = static_cast<double>(*training.max_number_of_steps) *
                                  training.batch_size / static_cast<double>(train_images);
  training.weight_decay = 1e-5;
  // Slim's 0.997 leaves a short run with the initial statistics: of 600 steps, a sixth of them.
  training.batch_norm_decay = 0.9;
  training.recalibrate_batch_norm = 50;
  training.save_interval_steps = kStepsPerCheckpoint;
  training.seed = options.seed;
  return training;
}

}  // namespace narrow
