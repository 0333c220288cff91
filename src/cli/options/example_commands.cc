#include "cli/options/example_commands.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace narrow {
namespace {

std::string option(const std::string& name, const std::string& value) {
  return fmt::format(" --{} {}", name, shell_word(value));
}

}  // namespace

std::string shell_word(const std::string& word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,+@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string download_command(const DownloadOptions& download) {
  std::string text = "narrow download " + shell_word(download.name) +
                     option("dataset_dir", download.directory.string());
  if (!download.source.empty()) text += option("url", download.source);
  if (!download.checksum.empty()) text += option("sha256", download.checksum);
  return text;
}

std::string train_command(const TrainOptions& training, int threads) {
  std::string text = "narrow train" + option("train_dir", training.train_dir.string()) +
                     option("model_name", training.model_name) +
                     option("dataset_name", training.images.dataset_name) +
                     option("dataset_dir", training.images.dataset_dir.string());
  if (training.checkpoint_path) {
    text += option("checkpoint_path", training.checkpoint_path->string());
    text += option("checkpoint_exclude_scopes",
                   fmt::format("{}", fmt::join(training.checkpoint_exclude_scopes, ",")));
  }
  text += fmt::format(
      " --max_number_of_steps {} --batch_size {} --train_image_size {} --resize_side {} --augment "
      "{}",
      *training.max_number_of_steps, training.batch_size, training.images.image_size,
      training.images.resize_side, training.augment);
  text += fmt::format(
      " --optimizer {} --opt_epsilon {} --learning_rate {} --learning_rate_decay_type {} "
      "--end_learning_rate {}"
      " --num_epochs_per_decay {} --warmup_steps {} --weight_decay {}",
      to_string(training.optimizer.kind), training.optimizer.epsilon,
      training.learning_rate.initial, to_string(training.learning_rate.decay),
      training.learning_rate.end, training.num_epochs_per_decay,
      training.learning_rate.warmup_steps, training.weight_decay);
  text += fmt::format(
      " --batch_norm_decay {} --recalibrate_batch_norm {} --save_interval_steps {} --seed {}",
      *training.batch_norm_decay, training.recalibrate_batch_norm, training.save_interval_steps,
      training.seed);
  if (threads > 0) text += fmt::format(" --threads {}", threads);
  return text;
}

std::string quantizer_command(const std::string& model_name, const CheckpointLocation& checkpoint,
                              int class_count, const Scheme& scheme) {
  const std::string layers = model_name.substr(model_name.rfind('_') + 1);
  return fmt::format("narrow quantizer {} {} {} {} {} --force", layers,
                     shell_word(checkpoint.path.string()), class_count,
                     scheme.kind == SchemeKind::kBin ? 1 : 2, scheme.bits);
}

std::string evaluate_command(const std::vector<CheckpointLocation>& checkpoints,
                             const EvaluateOptions& evaluation) {
  std::string text = "narrow eval";
  for (const CheckpointLocation& checkpoint : checkpoints) {
    text += " " + shell_word(checkpoint.path.string());
  }
  return text + option("dataset_name", evaluation.images.dataset_name) +
         option("dataset_dir", evaluation.images.dataset_dir.string()) +
         fmt::format(" --eval_image_size {} --resize_side {}", evaluation.images.image_size,
                     evaluation.images.resize_side);
}

}  // namespace narrow
