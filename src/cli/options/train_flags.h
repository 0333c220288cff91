// The flags of `narrow train`: those of TF-Slim's train_image_classifier.py, and a few more.
#pragma once

#include <string>
#include <vector>

#include "cli/parser/command.h"
#include "narrow/train.h"

namespace narrow {

// What the flags say before it is checked.
struct TrainFlags {
  TrainOptions options;
  int threads = 0;
  std::string train_dir;
  std::string checkpoint_path;
  std::string checkpoint_exclude_scopes;
  std::string trainable_scopes;
  std::string optimizer = "rmsprop";
  std::string learning_rate_decay_type = "exponential";
  std::int64_t max_number_of_steps = 0;
  std::string batch_norm = "train";
  double batch_norm_decay = 0;
  double dropout_keep_prob = 0;
  std::string quantize;
  std::string quantize_activations;
  std::vector<std::string> activation_rules;
};

// `flags` must outlive the parsing of `command`.
void add_train_flags(Command& command, TrainFlags& flags);

// The options that the flags mean; `command` tells which were given.
// Throws Error(kUsage) for what is missing, in Slim's words, or means nothing.
TrainOptions train_options(const Command& command, const TrainFlags& flags);

}  // namespace narrow
