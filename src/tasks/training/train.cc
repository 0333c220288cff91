#include "narrow/train.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/parallel.h"
#include "base/ranks.h"
#include "checkpoint/tensorflow/interrupted_checkpoints.h"
#include "data/dataset.h"
#include "graph/slim/slim_networks.h"
#include "narrow/error.h"
#include "narrow/quantize_values.h"
#include "nn/instructions/instruction_set.h"
#include "tasks/source_images.h"
#include "tasks/training/recalibration.h"
#include "tasks/training/training_batches.h"
#include "tasks/training/training_clones.h"
#include "tasks/training/training_files.h"
#include "tasks/training/training_start.h"
#include "tasks/training/training_state.h"

namespace narrow {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kUsualImageSize = 224;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void require(bool holds, const std::string& sentence) {
  if (!holds) throw Error(ErrorCategory::kUsage, sentence);
}

void validate_options(const TrainOptions& options) {
  validate(options.optimizer);
  require(options.batch_size >= 1,
          fmt::format("the batch size is {}; it must be at least 1", options.batch_size));
  require(options.num_clones >= ranks().size(),
          fmt::format("{} ranks share {} clones; there must be at least one clone for each",
                      ranks().size(), options.num_clones));
  require(!options.max_number_of_steps || *options.max_number_of_steps > 0,
          "max_number_of_steps must be above 0; leave it out to train without end");
  require(options.weight_decay >= 0 && std::isfinite(options.weight_decay),
          "weight_decay must be finite and at least 0");
  require(options.label_smoothing >= 0 && options.label_smoothing <= 1,
          "label_smoothing must lie in 0..1");
  require(options.moving_average_decay >= 0 && options.moving_average_decay < 1,
          "moving_average_decay must be at least 0 and below 1");
  const double decay = options.batch_norm_decay.value_or(0);
  require(decay >= 0 && decay <= 1, "batch_norm_decay must lie in 0..1");
  const double keep_prob = options.dropout_keep_prob.value_or(1);
  require(keep_prob > 0 && keep_prob <= 1, "dropout_keep_prob must be above 0 and at most 1");
  require(options.num_epochs_per_decay > 0 && std::isfinite(options.num_epochs_per_decay),
          "num_epochs_per_decay must be finite and above 0");
  require(options.recalibrate_batch_norm >= 0, "recalibrate_batch_norm must be at least 0");
  require(options.recalibrate_batch_norm == 0 || options.batch_norm == BatchNormMode::kTrain,
          "recalibrate_batch_norm needs batch_norm train: with frozen the statistics stay");
  require(options.log_every_n_steps >= 1, "log_every_n_steps must be at least 1");
  require(options.save_interval_secs > 0, "save_interval_secs must be above 0");
  require(options.save_interval_steps >= 0, "save_interval_steps must be at least 0");
  if (options.quantize) {
    validate(*options.quantize);
    require(options.quantize->granularity.kind == Granularity::Kind::kTensor,
            "training quantizes per tensor only");
  }
}

// Slim's int(num_samples * num_epochs_per_decay / batch_size).
std::int64_t decay_steps_of(const TrainOptions& options, std::uint64_t records) {
  const double steps =
      static_cast<double>(records) * options.num_epochs_per_decay / options.batch_size;
  return static_cast<std::int64_t>(std::min(steps, 1e15));
}

// Options, data and network, looked at before anything is computed.
struct Preparation {
  Preparation(const TrainOptions& given, Observer& observer)
      : options((validate_options(given), given)), dataset(open_dataset(options.images)) {
    require(dataset.size() > 0,
            fmt::format("{} has no records; make it again", dataset.records().path().string()));
    options.learning_rate.decay_steps = decay_steps_of(options, dataset.size());
    validate(options.learning_rate);
    start = find_training_start(options, dataset.class_count(), observer);
    see_images_as(find_slim_network(start.name));
    training_preprocessing(options);
    trained = trained_variables(start.network, options.trainable_scopes, observer);
    make_plan();
  }

  // Where the options leave it open. A variant of ResNet V1 sees images as ResNet V1 does.
  void see_images_as(const SlimNetwork* network) {
    ImageSource& images = options.images;
    if (images.image_size == 0) {
      images.image_size = network != nullptr ? network->image_size : kUsualImageSize;
    }
    if (images.preprocessing_name.empty() && network != nullptr) {
      images.preprocessing_name = network->name;
    }
  }

  void make_plan() {
    const auto records = static_cast<std::uint64_t>(dataset.size());
    const auto batch = static_cast<std::uint64_t>(options.step_images());
    plan.network = start.name;
    plan.class_count = dataset.class_count();
    for (const Weight& variable : start.network.weights) {
      const std::uint64_t elements = element_count(variable.shape);
      ++plan.variables;
      plan.elements += elements;
      if (std::ranges::find(trained, variable.name) == trained.end()) continue;
      ++plan.trained_variables;
      plan.trained_elements += elements;
    }
    plan.records = dataset.records().path();
    plan.record_count = records;
    plan.first_step = start.global_step;
    plan.steps_per_epoch = static_cast<std::int64_t>((records + batch - 1) / batch);
    plan.decay_steps = options.learning_rate.decay_steps;
    plan.features_cached = can_cache_features(options, start.network, trained, records);
  }

  [[nodiscard]] bool is_finished() const {
    return options.max_number_of_steps && start.global_step >= *options.max_number_of_steps;
  }

  TrainOptions options;
  Dataset dataset;
  TrainingStart start;
  std::vector<std::string> trained;
  TrainSummary plan;
};

TrainingOptions network_options(const Preparation& preparation, int threads) {
  const TrainOptions& options = preparation.options;
  TrainingOptions network;
  network.batch_size = options.batch_size;
  network.height = options.images.image_size;
  network.width = options.images.image_size;
  network.batch_norm = options.batch_norm;
  network.batch_norm_decay = options.batch_norm_decay;
  network.dropout_keep_prob = options.dropout_keep_prob;
  network.seed = options.seed;
  network.is_regularized = [&regularized = preparation.start.regularized](const Weight& variable) {
    return std::ranges::find(regularized, variable.name) != regularized.end();
  };
  network.label_smoothing = options.label_smoothing;
  network.weight_decay = options.weight_decay;
  network.threads = threads;
  network.is_trained = [&trained = preparation.trained](const Weight& variable) {
    return std::ranges::find(trained, variable.name) != trained.end();
  };
  if (options.quantize) {
    network.effective_values = [scheme = *options.quantize](const Weight& /*variable*/,
                                                            std::span<const float> values,
                                                            std::span<float> effective) {
      round_trip(values, scheme, fit(values, scheme), effective);
      return true;
    };
  }
  return network;
}

// Of a clone, without the L2 terms.
TrainingOptions clone_options(const Preparation& preparation) {
  TrainingOptions clone = network_options(preparation, 1);
  clone.weight_decay = 0;
  return clone;
}

// The first has the L2 terms, whose gradients are divided by the number of clones with the others.
TrainingOptions first_clone_options(const Preparation& preparation) {
  TrainingOptions clone = network_options(preparation, 1);
  clone.weight_decay *= preparation.options.num_clones;
  return clone;
}

// Means since the last line of the log.
class StepClock {
 public:
  explicit StepClock(std::int64_t step) : step_(step) {}

  void fill(TrainStep& line, const TrainOptions& options) {
    const double seconds = seconds_since(start_);
    const auto steps = static_cast<double>(line.global_step - step_);
    line.seconds_per_step = seconds / steps;
    line.images_per_second = options.step_images() * steps / seconds;
    if (options.max_number_of_steps) {
      line.seconds_left = line.seconds_per_step *
                          static_cast<double>(*options.max_number_of_steps - line.global_step);
    }
    start_ = Clock::now();
    step_ = line.global_step;
  }

 private:
  std::int64_t step_;
  Clock::time_point start_ = Clock::now();
};

class Training {
 public:
  Training(Preparation& preparation, int threads, TrainObserver& observer)
      : options_(preparation.options),
        preparation_(preparation),
        threads_(threads),
        observer_(observer),
        network_(preparation.start.network,
                 read_start_values(preparation.start, options_, observer),
                 options_.num_clones > 1 ? first_clone_options(preparation)
                                         : network_options(preparation, threads)),
        state_(network_, options_.optimizer, options_.moving_average_decay),
        files_(options_.train_dir, newest_of(preparation.start)) {
    if (const auto& resumed = preparation.start.resumed) {
      state_.restore(*resumed, preparation.start.global_step);
    }
  }

  TrainResult run() {
    TrainResult result;
    result.plan = preparation_.plan;
    observer_.on_plan(result.plan);
    if (!files_.newest()) save();
    const auto batches = make_batches();
    const auto start = Clock::now();
    StepClock clock(state_.global_step());
    while (!is_done()) {
      if (!may_go_on()) stop();
      step(*batches, clock, result);
      if (is_time_to_save()) save();
    }
    batches->finish();
    result.seconds = seconds_since(start);
    if (options_.recalibrate_batch_norm > 0) recalibrate();
    if (saved_step_ != state_.global_step() || options_.recalibrate_batch_norm > 0) save();
    result.global_step = state_.global_step();
    result.checkpoint = *files_.newest();
    return result;
  }

 private:
  static std::optional<std::filesystem::path> newest_of(const TrainingStart& start) {
    if (!start.resumed) return std::nullopt;
    return start.resumed->location().path;
  }

  [[nodiscard]] bool is_done() const {
    return options_.max_number_of_steps && state_.global_step() >= *options_.max_number_of_steps;
  }

  bool may_go_on() {
    return observer_.on_progress(
        static_cast<std::uint64_t>(state_.global_step()),
        static_cast<std::uint64_t>(options_.max_number_of_steps.value_or(0)), ProgressUnit::kSteps);
  }

  [[nodiscard]] LoaderOptions loader_options() const {
    return training_loader(options_, state_.global_step(), threads_);
  }

  std::unique_ptr<TrainingBatches> make_batches() {
    const Dataset& dataset = preparation_.dataset;
    if (options_.num_clones > 1) {
      return clone_batches(dataset, loader_options(), network_, clone_options(preparation_),
                           options_.num_clones, threads_);
    }
    if (!preparation_.plan.features_cached) return image_batches(dataset, loader_options());
    observer_.on_note(
        fmt::format("only the logits are trained, and images are the same in every epoch: the "
                    "features of all {} are computed once and kept",
                    dataset.size()));
    return feature_batches(dataset, loader_options(), network_, observer_);
  }

  // An error of the forward pass about numbers, infinite weights to quantize say, means the same as
  // an infinite loss.
  StepLoss loss_of(TrainingBatches& batches, float learning_rate) {
    try {
      network_.set_step(static_cast<std::uint64_t>(state_.global_step()));
      const StepLoss loss = batches.forward_backward(network_, state_.begin_step(learning_rate));
      if (std::isfinite(loss.total)) return loss;
    } catch (const Error& error) {
      if (error.category() != ErrorCategory::kNumeric) throw;
    }
    throw_not_finite("the loss");
  }

  [[noreturn]] void throw_not_finite(const char* what) const {
    const auto& newest = files_.newest();
    throw Error(ErrorCategory::kNumeric,
                fmt::format("{} is not a finite number at step {}; {}; try a smaller "
                            "learning_rate or warmup_steps{}",
                            what, state_.global_step() + 1,
                            newest ? "the last good checkpoint is " + newest->string()
                                   : "no checkpoint has been written yet",
                            newest ? ""
                                   : ", and see whether the values "
                                     "that it begins with are finite"));
  }

  void step(TrainingBatches& batches, StepClock& clock, TrainResult& result) {
    TrainStep line;
    line.learning_rate = learning_rate_at(options_.learning_rate, state_.global_step());
    const StepLoss loss = loss_of(batches, line.learning_rate);
    state_.finish_step();
    line.global_step = state_.global_step();
    if (line.global_step % options_.log_every_n_steps != 0) return;
    line.loss = loss.total;
    line.cross_entropy = loss.cross_entropy;
    line.accuracy = static_cast<double>(loss.correct) / options_.step_images();
    clock.fill(line, options_);
    observer_.on_step(line);
    files_.write_event(line);
    if (seconds_since(flushed_) >= options_.save_summaries_secs) {
      files_.flush_events();
      flushed_ = Clock::now();
    }
    result.log.push_back(line);
  }

  [[nodiscard]] bool is_time_to_save() const {
    if (is_done()) return false;  // the last checkpoint is written after the loop
    if (options_.save_interval_steps > 0 &&
        state_.global_step() % options_.save_interval_steps == 0) {
      return true;
    }
    return seconds_since(saved_) >= options_.save_interval_secs;
  }

  void save() {
    if (!state_.is_finite()) throw_not_finite("a variable");
    files_.save(state_.global_step(), state_.tensors());
    saved_ = Clock::now();
    saved_step_ = state_.global_step();
    observer_.on_checkpoint(*files_.newest());
  }

  void recalibrate() {
    observer_.on_note(fmt::format("moving statistics are recomputed from {} batches",
                                  options_.recalibrate_batch_norm));
    BatchLoader loader(preparation_.dataset, loader_options());
    recalibrate_batch_norm(network_, loader, options_.recalibrate_batch_norm);
  }

  [[noreturn]] void stop() {
    if (saved_step_ != state_.global_step()) save();
    throw Error(ErrorCategory::kInterrupted,
                fmt::format("interrupted at step {}; {} is saved, and the same options continue",
                            state_.global_step(), files_.newest()->string()));
  }

  const TrainOptions& options_;
  Preparation& preparation_;
  int threads_;
  TrainObserver& observer_;
  TrainingNetwork network_;
  TrainingState state_;
  TrainingFiles files_;
  Clock::time_point saved_ = Clock::now();
  Clock::time_point flushed_ = Clock::now();
  std::int64_t saved_step_ = -1;
};

// What ranks but the first do: clones.
TrainResult help_training(Preparation& preparation, int threads, TrainObserver& observer) {
  const TrainOptions& options = preparation.options;
  const auto initial = read_start_values(preparation.start, options, observer);
  ranks().meet();
  work_on_clones(
      preparation.dataset, training_loader(options, preparation.start.global_step, threads),
      preparation.start.network, initial, clone_options(preparation), options.num_clones, threads);
  TrainResult result;
  result.plan = preparation.plan;
  return result;
}

}  // namespace

double TrainResult::images_per_second(const TrainOptions& options) const {
  const auto images = static_cast<double>(global_step - plan.first_step) * options.step_images();
  return seconds > 0 ? images / seconds : 0;
}

TrainSummary plan_training(const TrainOptions& options, const RunOptionsFor<TrainObserver>& run) {
  const ThreadLimit limit(run.threads);
  TrainObserver silent;
  TrainObserver& observer = run.observer != nullptr ? *run.observer : silent;
  const Preparation preparation(options, observer);
  read_start_values(preparation.start, options, observer);  // they may not fit
  observer.on_plan(preparation.plan);
  return preparation.plan;
}

TrainResult train(const TrainOptions& options, const RunOptionsFor<TrainObserver>& run) {
  const ThreadLimit limit(run.threads);
  TrainObserver silent;
  TrainObserver& observer = run.observer != nullptr ? *run.observer : silent;
  agree_on_instructions();
  if (ranks().is_first()) settle_checkpoints(options.train_dir);
  ranks().meet();
  Preparation preparation(options, observer);
  if (preparation.is_finished()) {
    TrainResult result;
    result.plan = preparation.plan;
    result.global_step = preparation.start.global_step;
    result.was_finished = true;
    result.checkpoint = preparation.start.resumed->location().path;
    return result;
  }
  if (!ranks().is_first()) return help_training(preparation, run.threads, observer);
  Training training(preparation, run.threads, observer);
  ranks().meet();  // nobody reads the directory any more
  return training.run();
}

}  // namespace narrow
