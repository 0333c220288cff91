#include "tasks/training/training_preparation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/ranks.h"
#include "graph/shapes.h"
#include "graph/slim/slim_networks.h"
#include "narrow/error.h"
#include "narrow/quantize_values.h"
#include "tasks/source_images.h"
#include "tasks/training/integer_weights.h"
#include "tasks/training/training_batches.h"

namespace narrow {
namespace {

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
    require(options.quantize->granularity.kind != Granularity::Kind::kGroup,
            "training has one range for a tensor, or for each channel");
    require(options.quantize->granularity.kind == Granularity::Kind::kTensor ||
                options.quantize_activations,
            "training has a range for each channel with quantize_activations only, where it is of "
            "kernels alone");
  }
  require(options.quantize_activations || options.activation_rules.empty(),
          "rules for activations need quantize_activations, which is for the values that no rule "
          "matches");
  const auto check = [](const ActivationScheme& scheme) {
    validate(scheme);
    require(scheme.range == ActivationRange::kMinMax,
            "activations that are trained have no range: their scales are learned");
  };
  if (options.quantize_activations) check(*options.quantize_activations);
  for (const ActivationRule& rule : options.activation_rules) check(rule.scheme);
}

// Slim's int(num_samples * num_epochs_per_decay / batch_size).
std::int64_t decay_steps_of(const TrainOptions& options, std::uint64_t records) {
  const double steps =
      static_cast<double>(records) * options.num_epochs_per_decay / options.batch_size;
  return static_cast<std::int64_t>(std::min(steps, 1e15));
}

// Where the options leave it open. A variant of ResNet V1 sees images as ResNet V1 does.
void see_images_as(const SlimNetwork* network, ImageSource& images) {
  if (images.image_size == 0) images.image_size = usual_image_size(network);
  if (images.preprocessing_name.empty() && network != nullptr) {
    images.preprocessing_name = network->name;
  }
}

// Whether all outputs are logits of the same classes.
bool heads_fit(const Graph& network, int image_size) {
  try {
    const ShapeTable shapes = infer_shapes(network, image_size, image_size);
    const Dimensions& logits = shapes[static_cast<std::size_t>(network.outputs.front())];
    return std::ranges::all_of(network.outputs, [&](ValueId output) {
      return shapes[static_cast<std::size_t>(output)] == logits;
    });
  } catch (const Error&) {
    return false;
  }
}

// Kernels, and offsets that do not depend on the batch.
EffectiveValues as_integers_have_them(const TrainingPreparation& preparation) {
  const Scheme& scheme = *preparation.options.quantize;
  const bool is_frozen = preparation.options.batch_norm == BatchNormMode::kFrozen;
  return [is_frozen, integers = IntegerWeights(preparation.start.network, scheme)](
             const Weight& variable, const WeightSource& all, std::span<const float> values,
             std::span<float> effective) mutable {
    if (variable.role == WeightRole::kKernel) {
      integers.round_kernel(variable, values, effective);
      return true;
    }
    return (is_frozen || variable.role == WeightRole::kBias) &&
           integers.round_offset(variable, all, values, effective);
  };
}

TrainingOptions network_options(const TrainingPreparation& preparation, int threads) {
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
  if (options.quantize && !options.quantize_activations) {
    network.effective_values = [scheme = *options.quantize](
                                   const Weight& /*variable*/, const WeightSource& /*all*/,
                                   std::span<const float> values, std::span<float> effective) {
      round_trip(values, scheme, fit(values, scheme), effective);
      return true;
    };
  } else if (options.quantize) {
    network.effective_values = as_integers_have_them(preparation);
  }
  for (const TrainedStep& step : preparation.start.steps) {
    network.code_ranges[step.variable()] = step.codes();
  }
  return network;
}

}  // namespace

void require_heads_fit(const Graph& network, std::string_view name, int image_size) {
  if (network.outputs.size() < 2 || heads_fit(network, image_size)) return;
  throw Error(ErrorCategory::kUsage,
              fmt::format("{} is trained with an auxiliary head, into which images of {} pixels do "
                          "not fit; choose its own image size, {}",
                          name, image_size, usual_image_size(find_slim_network(name))));
}

TrainingPreparation::TrainingPreparation(const TrainOptions& given, Observer& observer)
    : options((validate_options(given), given)), dataset(open_dataset(options.images)) {
  require(dataset.size() > 0,
          fmt::format("{} has no records; make it again", dataset.records().path().string()));
  options.learning_rate.decay_steps = decay_steps_of(options, dataset.size());
  validate(options.learning_rate);
  start = find_training_start(options, dataset.class_count(), observer);
  see_images_as(find_slim_network(start.name), options.images);
  training_preprocessing(options);
  require_heads_fit(start.network, start.name, options.images.image_size);
  trained = trained_variables(start.network, options.trainable_scopes, observer);
  make_plan();
}

void TrainingPreparation::make_plan() {
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

TrainingOptions clone_options(const TrainingPreparation& preparation) {
  TrainingOptions clone = network_options(preparation, 1);
  clone.weight_decay = 0;
  return clone;
}

TrainingOptions first_network_options(const TrainingPreparation& preparation, int threads) {
  const int clones = preparation.options.num_clones;
  TrainingOptions first = network_options(preparation, clones > 1 ? 1 : threads);
  first.weight_decay *= clones;
  return first;
}

}  // namespace narrow
