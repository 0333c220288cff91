#include "cli/options/train_flags.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "cli/options/common_options.h"
#include "cli/options/dataset_flags.h"
#include "cli/options/recipe_flags.h"
#include "cli/options/slim_flags.h"
#include "cli/options/width_lists.h"
#include "narrow/error.h"

namespace narrow {
namespace {

void add_network_flags(Command& command, TrainFlags& flags) {
  TrainOptions& options = flags.options;
  command
      .add_option(slim_flag("train_dir"), flags.train_dir,
                  "for checkpoints and events; continues what is there")
      .type_name("DIR");
  command
      .add_option(slim_flag("model_name"), options.model_name,
                  "a network of TF-Slim, or the scope of a ResNet V1\n"
                  "in CKPT; default what CKPT holds")
      .type_name("NAME");
  command
      .add_option(slim_flag("checkpoint_path"), flags.checkpoint_path,
                  "begin with the variables of this checkpoint")
      .type_name("CKPT");
  command
      .add_option(slim_flag("checkpoint_exclude_scopes"), flags.checkpoint_exclude_scopes,
                  "prefixes of names that are not read from it")
      .type_name("A,B,...");
  add_slim_bool(command, "ignore_missing_vars", options.ignore_missing_vars,
                "begin with new values for variables that it lacks");
  command
      .add_option(slim_flag("trainable_scopes"), flags.trainable_scopes,
                  "train only variables whose names begin like one of\nthese regular expressions")
      .type_name("A,B,...");
  command.add_option(slim_flag("weight_decay"), options.weight_decay, "factor of the L2 terms")
      .not_negative()
      .capture_default_str();
  command
      .add_option(slim_flag("batch_norm"), flags.batch_norm,
                  "train: by the batch, moving statistics follow, as in\n"
                  "Slim; frozen: by the stored statistics, which stay")
      .one_of({"train", "frozen"}, "train|frozen")
      .type_name("")
      .capture_default_str();
  command
      .add_option(slim_flag("batch_norm_decay"), flags.batch_norm_decay,
                  "of moving statistics; short trainings want less;\ndefault the network's")
      .in_range(0.0, 1.0);
  command
      .add_option(slim_flag("dropout_keep_prob"), flags.dropout_keep_prob,
                  "what dropout keeps, 1 all; default the network's")
      .in_range(0.0, 1.0);
  command
      .add_option(slim_flag("recalibrate_batch_norm"), options.recalibrate_batch_norm,
                  "at the end, take moving statistics from N batches")
      .type_name("N")
      .in_range(0, 1 << 20)
      .capture_default_str();
  command
      .add_option(slim_flag("quantize"), flags.quantize,
                  "train with weights quantized like this, bin:4 say;\n:channel goes with "
                  "quantized activations")
      .type_name("SCHEME:BITS[:channel]");
  command
      .add_option(slim_flag("quantize_activations"), flags.quantize_activations,
                  "train with values between operators of so many bits,\naffine (the default) or "
                  "symmetric, and their scales")
      .type_name("B[:SCHEME]");
  command
      .add_option(
          slim_flag("activation_rule"), flags.activation_rules,
          "of values with these names, the first match counts:\n'images: 8'; again for each")
      .type_name("'GLOB: B[:SCHEME]'")
      .expected(1)
      .take_all();
}

void add_image_flags(Command& command, TrainOptions& options) {
  add_dataset_flags(command, options.images);
  command.add_option(slim_flag("batch_size"), options.batch_size, "images of a step, in each clone")
      .in_range(1, 1 << 16)
      .capture_default_str();
  command
      .add_option(slim_flag("num_clones"), options.num_clones,
                  "batches of a step, each on one thread; their gradients are averaged")
      .in_range(1, 1 << 12)
      .capture_default_str();
  command
      .add_option(slim_flag("train_image_size"), options.images.image_size,
                  "height and width that the network sees; 0: its own")
      .in_range(0, 8192)
      .capture_default_str();
  command
      .add_option("--augment", options.augment,
                  "none: as in evaluation; slim: random scale, crop and\n"
                  "flip, inception colours too; cifar: flip, and shift\n"
                  "by up to 4 pixels")
      .type_name("none|slim|cifar")
      .capture_default_str();
  command
      .add_option(slim_flag("resize_side"), options.images.resize_side,
                  "vgg, none: smaller side before the crop")
      .in_range(1, 16384)
      .capture_default_str();
  command
      .add_option(slim_flag("resize_side_min"), options.resize_side_min,
                  "vgg, slim: least smaller side before the crop")
      .in_range(1, 16384)
      .capture_default_str();
  command
      .add_option(slim_flag("resize_side_max"), options.resize_side_max,
                  "vgg, slim: greatest smaller side")
      .in_range(1, 16384)
      .capture_default_str();
  add_recipe_flags(command, options.images);
  add_slim_bool(command, "shuffle", options.shuffle, "false: images in the order of the file");
  command.add_option("--seed", options.seed, "of initial values, order and augmentation")
      .capture_default_str();
}

void add_step_flags(Command& command, TrainFlags& flags) {
  TrainOptions& options = flags.options;
  LearningRateOptions& rate = options.learning_rate;
  command
      .add_option(slim_flag("max_number_of_steps"), flags.max_number_of_steps,
                  "stop when global_step is this; default never")
      .type_name("N");
  command.add_option(slim_flag("learning_rate"), rate.initial, "at the beginning")
      .capture_default_str();
  command
      .add_option(slim_flag("learning_rate_decay_type"), flags.learning_rate_decay_type,
                  "fixed, exponential, polynomial or cosine")
      .capture_default_str();
  command
      .add_option(slim_flag("learning_rate_decay_factor"), rate.decay_factor,
                  "exponential: factor of a decay")
      .capture_default_str();
  command
      .add_option(slim_flag("num_epochs_per_decay"), options.num_epochs_per_decay,
                  "epochs between decays, or to the end of polynomial\nand cosine")
      .capture_default_str();
  command
      .add_option(slim_flag("end_learning_rate"), rate.end, "polynomial, cosine: rate at the end")
      .capture_default_str();
  command
      .add_option(slim_flag("warmup_steps"), rate.warmup_steps,
                  "the learning rate rises over N steps first")
      .capture_default_str();
  command
      .add_option(slim_flag("label_smoothing"), options.label_smoothing,
                  "share of the target spread over all classes")
      .in_range(0.0, 1.0)
      .capture_default_str();
  command
      .add_option(slim_flag("moving_average_decay"), options.moving_average_decay,
                  "not 0: keep moving averages of all variables")
      .in_range(0.0, 1.0)
      .capture_default_str();
}

void add_optimizer_flags(Command& command, TrainFlags& flags) {
  OptimizerOptions& options = flags.options.optimizer;
  const auto add = [&](const char* name, double& value, const char* help) {
    command.add_option(slim_flag(name), value, help).capture_default_str().group("Optimizer");
  };
  command
      .add_option("--optimizer", flags.optimizer,
                  "sgd, momentum, rmsprop, adam, adagrad, adadelta, ftrl")
      .capture_default_str()
      .group("Optimizer");
  add("momentum", options.momentum, "of momentum, not of rmsprop");
  add("rmsprop_momentum", options.rmsprop_momentum, "");
  add("rmsprop_decay", options.rmsprop_decay, "of the mean square");
  add("opt_epsilon", options.epsilon, "of rmsprop, adam and adadelta");
  add("adam_beta1", options.adam_beta1, "");
  add("adam_beta2", options.adam_beta2, "");
  add("adagrad_initial_accumulator_value", options.adagrad_initial_accumulator, "");
  add("adadelta_rho", options.adadelta_rho, "");
  add("ftrl_learning_rate_power", options.ftrl_learning_rate_power, "");
  add("ftrl_initial_accumulator_value", options.ftrl_initial_accumulator, "");
  add("ftrl_l1", options.ftrl_l1, "");
  add("ftrl_l2", options.ftrl_l2, "");
}

void add_run_flags(Command& command, TrainFlags& flags) {
  TrainOptions& options = flags.options;
  command.add_option(slim_flag("log_every_n_steps"), options.log_every_n_steps, "steps of a line")
      .in_range(1, 1 << 30)
      .capture_default_str();
  command
      .add_option(slim_flag("save_interval_secs"), options.save_interval_secs,
                  "seconds from checkpoint to checkpoint")
      .positive()
      .capture_default_str();
  command
      .add_option(slim_flag("save_interval_steps"), options.save_interval_steps,
                  "another whenever global_step is a multiple of N")
      .not_negative()
      .capture_default_str();
  command
      .add_option(slim_flag("save_summaries_secs"), options.save_summaries_secs,
                  "seconds until new events can be read")
      .positive()
      .capture_default_str();
  add_threads_option(command, flags.threads);
}

void add_flags_of_slim_only(Command& command) {
  add_meaningless_flag(command, "master", "there is no TensorFlow server");
  add_meaningless_flag(command, "clone_on_cpu", "everything runs on the CPU");
  add_meaningless_flag(command, "num_readers", "--threads counts all threads");
  add_meaningless_flag(command, "num_preprocessing_threads", "--threads counts all threads");
  add_meaningless_flag(command, "replicas_to_aggregate", "a step has all clones");
  const char* alone = "processes train together by mpirun -n 4 narrow train --num_clones 4";
  add_constant_flag(command, "worker_replicas", 1, alone);
  add_constant_flag(command, "num_ps_tasks", 0, alone);
  add_constant_flag(command, "task", 0, alone);
  add_constant_flag(command, "quantize_delay", -1, "see --quantize SCHEME:BITS");
  add_false_flag(command, "sync_replicas", alone);
  add_false_flag(command, "use_grayscale", "images have three channels");
}

std::vector<std::string> split_scopes(const std::string& text) {
  constexpr const char* kBlanks = " \t\n\v\f\r";
  std::vector<std::string> scopes = split_list(text);
  for (std::string& scope : scopes) {
    scope.erase(0, scope.find_first_not_of(kBlanks));
    scope.erase(scope.find_last_not_of(kBlanks) + 1);
  }
  return scopes;
}

void require(bool there, const char* sentence) {
  if (!there) throw Error(ErrorCategory::kUsage, sentence);
}

}  // namespace

void add_train_flags(Command& command, TrainFlags& flags) {
  add_network_flags(command, flags);
  add_image_flags(command, flags.options);
  add_step_flags(command, flags);
  add_optimizer_flags(command, flags);
  add_run_flags(command, flags);
  add_flags_of_slim_only(command);
}

TrainOptions train_options(const Command& command, const TrainFlags& flags) {
  require(!flags.train_dir.empty(), "You must supply the directory to write to with --train_dir");
  require_images(flags.options.images);
  const auto given = [&](const char* name) { return command.count(name) > 0; };
  TrainOptions options = flags.options;
  options.train_dir = flags.train_dir;
  options.optimizer.kind = parse_optimizer_kind(flags.optimizer);
  options.learning_rate.decay = parse_learning_rate_decay(flags.learning_rate_decay_type);
  if (!flags.checkpoint_path.empty()) options.checkpoint_path = flags.checkpoint_path;
  if (given("--checkpoint_exclude_scopes")) {
    options.checkpoint_exclude_scopes = split_scopes(flags.checkpoint_exclude_scopes);
  }
  if (given("--trainable_scopes")) {
    options.trainable_scopes = split_scopes(flags.trainable_scopes);
  }
  if (given("--max_number_of_steps")) options.max_number_of_steps = flags.max_number_of_steps;
  if (flags.batch_norm == "frozen") options.batch_norm = BatchNormMode::kFrozen;
  if (!flags.quantize.empty()) options.quantize = parse_training_scheme(flags.quantize);
  if (!flags.quantize_activations.empty()) {
    options.quantize_activations = parse_activations(flags.quantize_activations);
  }
  for (const std::string& rule : flags.activation_rules) {
    options.activation_rules.push_back(
        parse_activation_rule(rule, options.quantize_activations.value_or(ActivationScheme{})));
  }
  if (given("--batch_norm_decay")) options.batch_norm_decay = flags.batch_norm_decay;
  if (given("--dropout_keep_prob")) options.dropout_keep_prob = flags.dropout_keep_prob;
  return options;
}

}  // namespace narrow
