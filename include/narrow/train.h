// Training: a network of TF-Slim on a labelled dataset as its train_image_classifier.py trains it
// (tensorflow/models, research/slim), from initial values or from a checkpoint. docs/slim.md says
// what is the same and what differs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "narrow/activation_scheme.h"
#include "narrow/batch_norm_mode.h"
#include "narrow/export.h"
#include "narrow/image_source.h"
#include "narrow/optimizer.h"
#include "narrow/run_options.h"
#include "narrow/scheme.h"

namespace narrow {

// Slim's flags under Slim's names, and a few more. The defaults are Slim's.
struct TrainOptions {
  std::filesystem::path train_dir;  // checkpoints and event files; continues what is there

  // The network. Empty: the one network that the checkpoint holds.
  std::string model_name = {};
  std::optional<std::filesystem::path> checkpoint_path = {};  // initial values
  std::vector<std::string> checkpoint_exclude_scopes = {};    // prefixes of names not read from it
  bool ignore_missing_vars = false;                           // others that it has not
  std::optional<std::vector<std::string>> trainable_scopes =
      {};  // regular expressions; all without

  // The images. ImageSource::resize_side is for those without augmentation. An image_size of 0 and
  // an empty preprocessing_name are the network's.
  ImageSource images = {
      .dataset_name = {}, .dataset_dir = {}, .dataset_split_name = "train", .image_size = 0};
  std::string augment = "slim";  // "none", "slim", "cifar"
  int resize_side_min = 256;
  int resize_side_max = 512;
  bool shuffle = true;
  int batch_size = 32;  // of each clone
  // A step is taken on so many batches: each clone of the network has one, with batch norm's
  // statistics of its own; gradients are averaged, moving statistics are those of the first. Each
  // is computed by one thread, so that the result depends on their number alone. TF-Slim:
  // deployment/model_deploy.py of tensorflow/models, research/slim.
  int num_clones = 1;
  [[nodiscard]] int step_images() const { return batch_size * num_clones; }

  // The steps.
  std::optional<std::int64_t> max_number_of_steps = {};  // of global_step; without end otherwise
  OptimizerOptions optimizer = {};
  LearningRateOptions learning_rate = {};  // decay_steps is computed from the next
  double num_epochs_per_decay = 2.0;
  double weight_decay = 0.00004;
  double label_smoothing = 0;
  double moving_average_decay = 0;  // 0: no moving averages of the variables
  BatchNormMode batch_norm = BatchNormMode::kTrain;
  std::optional<double> batch_norm_decay = {};   // absent: that of the network in Slim
  std::optional<double> dropout_keep_prob = {};  // absent: that of the network; 1: no dropout
  int recalibrate_batch_norm = 0;                // batches for the moving statistics at the end
  // Weights in the forward pass; per tensor, or with quantize_activations per channel.
  std::optional<Scheme> quantize = {};
  // Values between operators in the forward pass, where an integer file has codes
  // (docs/integers.md): affine or symmetric ones, whose scales are trained. Then `quantize` is for
  // the kernels alone.
  std::optional<ActivationScheme> quantize_activations = {};
  std::vector<ActivationRule> activation_rules = {};  // the first that matches a value counts

  // What is written.
  int log_every_n_steps = 10;
  double save_interval_secs = 600;
  std::int64_t save_interval_steps = 0;  // 0: by time only
  double save_summaries_secs = 600;

  std::uint64_t seed = 0;
};

// TrainOptions::quantize of words, "bin:4" or "symmetric:4:channel". Throws Error(kUsage).
NARROW_EXPORT Scheme parse_training_scheme(std::string_view text);

// One line of the log.
struct TrainStep {
  std::int64_t global_step = 0;  // after the step
  double loss = 0;               // all cross entropies and L2 terms, as Slim logs it
  double cross_entropy = 0;      // of the logits
  double accuracy = 0;           // of the batch, before the update
  float learning_rate = 0;
  double seconds_per_step = 0;   // mean since the last line
  double images_per_second = 0;  // the same
  std::optional<double> seconds_left = {};
};

// What is trained, known before the first step.
struct TrainSummary {
  std::string network;
  int class_count = 0;
  std::size_t variables = 0;
  std::uint64_t elements = 0;
  std::size_t trained_variables = 0;
  std::uint64_t trained_elements = 0;
  std::filesystem::path records;
  std::uint64_t record_count = 0;
  std::int64_t first_step = 0;       // global_step at the start
  std::int64_t steps_per_epoch = 0;  // rounded up
  std::int64_t decay_steps = 0;
  bool features_cached = false;  // only the last layer is computed in every step
};

struct NARROW_EXPORT TrainResult {
  TrainSummary plan;
  std::int64_t global_step = 0;      // at the end
  bool was_finished = false;         // nothing was left to do
  std::filesystem::path checkpoint;  // the last one written, or the one that was there
  std::vector<TrainStep> log;
  double seconds = 0;  // of the steps

  [[nodiscard]] double images_per_second(const TrainOptions& options) const;
};

// Progress is in images while features are computed, then before every step in steps: global_step
// of max_number_of_steps. Stopped between steps, a training saves a checkpoint first.
class NARROW_EXPORT TrainObserver : public Observer {
 public:
  virtual void on_plan(const TrainSummary& /*plan*/) {}
  // Every log_every_n_steps steps.
  virtual void on_step(const TrainStep& /*step*/) {}
  virtual void on_checkpoint(const std::filesystem::path& /*checkpoint*/) {}
};

// Trains until global_step is max_number_of_steps. Continues from the newest checkpoint of
// train_dir if there is one, else begins with checkpoint_path or with initial values. The same
// options give the same result to the bit on this machine, however often the run was interrupted.
// Throws Error: kUsage for options out of range; kNotFound, kUsage for a checkpoint that does not
// fit, naming the variable, both shapes and the option to set; what the dataset throws; kNumeric
// when the loss or a variable is no longer finite, naming the last good checkpoint; kInterrupted.
NARROW_EXPORT TrainResult train(const TrainOptions& options,
                                const RunOptionsFor<TrainObserver>& run = {});

// What train would do, without doing it. Reads checkpoints and the dataset's size. Throws Error as
// train does before its first step.
NARROW_EXPORT TrainSummary plan_training(const TrainOptions& options,
                                         const RunOptionsFor<TrainObserver>& run = {});

}  // namespace narrow
