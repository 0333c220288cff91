#include "narrow/train.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>

#include "base/number_text.h"
#include "base/parallel.h"
#include "base/ranks.h"
#include "checkpoint/tensorflow/interrupted_checkpoints.h"
#include "narrow/error.h"
#include "nn/instructions/instruction_set.h"
#include "tasks/training/first_steps.h"
#include "tasks/training/recalibration.h"
#include "tasks/training/training_batches.h"
#include "tasks/training/training_clones.h"
#include "tasks/training/training_files.h"
#include "tasks/training/training_preparation.h"
#include "tasks/training/training_start.h"
#include "tasks/training/training_state.h"

namespace narrow {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
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
  Training(TrainingPreparation& preparation, int threads, TrainObserver& observer)
      : options_(preparation.options),
        preparation_(preparation),
        threads_(threads),
        observer_(observer),
        network_(preparation.start.network,
                 read_start_values(preparation.start, options_, observer),
                 first_network_options(preparation, threads)),
        state_(with_first_steps(network_, preparation, threads), options_.optimizer,
               options_.moving_average_decay),
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
    batches_ = make_batches();
    const auto start = Clock::now();
    StepClock clock(state_.global_step());
    while (!is_done()) {
      if (!may_go_on()) stop();
      step(clock, result);
      if (is_time_to_save()) save();
    }
    batches_->finish();
    batches_.reset();
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
      return clone_batches(dataset, loader_options(), network_, state_, clone_options(preparation_),
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
  StepLoss loss_of_step(float learning_rate) {
    try {
      network_.set_step(static_cast<std::uint64_t>(state_.global_step()));
      const StepLoss loss = batches_->forward_backward(network_, state_.begin_step(learning_rate));
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

  void step(StepClock& clock, TrainResult& result) {
    TrainStep line;
    line.learning_rate = learning_rate_at(options_.learning_rate, state_.global_step());
    const StepLoss loss = loss_of_step(line.learning_rate);
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
    if (batches_ != nullptr) batches_->collect();
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
  TrainingPreparation& preparation_;
  int threads_;
  TrainObserver& observer_;
  TrainingNetwork network_;
  TrainingState state_;
  TrainingFiles files_;
  std::unique_ptr<TrainingBatches> batches_;  // while there are steps
  Clock::time_point saved_ = Clock::now();
  Clock::time_point flushed_ = Clock::now();
  std::int64_t saved_step_ = -1;
};

// What ranks but the first do: clones.
TrainResult help_training(TrainingPreparation& preparation, int threads, TrainObserver& observer) {
  const TrainOptions& options = preparation.options;
  const TrainingOptions clone = clone_options(preparation);
  TrainingNetwork first(preparation.start.network,
                        read_start_values(preparation.start, options, observer), clone);
  TrainingState state(with_first_steps(first, preparation, threads), options.optimizer,
                      options.moving_average_decay);
  if (const auto& resumed = preparation.start.resumed) {
    state.restore(*resumed, preparation.start.global_step);
  }
  ranks().meet();
  work_on_clones(preparation.dataset,
                 training_loader(options, preparation.start.global_step, threads), first, state,
                 clone, options.num_clones, threads);
  TrainResult result;
  result.plan = preparation.plan;
  return result;
}

}  // namespace

double TrainResult::images_per_second(const TrainOptions& options) const {
  const auto images = static_cast<double>(global_step - plan.first_step) * options.step_images();
  return seconds > 0 ? images / seconds : 0;
}

Scheme parse_training_scheme(std::string_view text) {
  constexpr std::string_view kByChannel = ":channel";
  std::string_view rest = text;
  Scheme scheme;
  if (rest.ends_with(kByChannel)) {
    scheme.granularity.kind = Granularity::Kind::kChannel;
    rest.remove_suffix(kByChannel.size());
  }
  const std::size_t colon = rest.find(':');
  const auto bits = number_of<int>(colon == std::string_view::npos ? "" : rest.substr(colon + 1));
  if (!bits) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("quantize '{}' is not SCHEME:BITS[:channel], bin:4 or "
                            "symmetric:4:channel say",
                            text));
  }
  scheme.bits = *bits;
  scheme.kind = parse_scheme_kind(rest.substr(0, colon));
  validate(scheme);
  return scheme;
}

TrainSummary plan_training(const TrainOptions& options, const RunOptionsFor<TrainObserver>& run) {
  const ThreadLimit limit(run.threads);
  TrainObserver silent;
  TrainObserver& observer = run.observer != nullptr ? *run.observer : silent;
  const TrainingPreparation preparation(options, observer);
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
  TrainingPreparation preparation(options, observer);
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
