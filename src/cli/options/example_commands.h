// The example's steps as the commands that do them alone.
#pragma once

#include <string>
#include <vector>

#include "narrow/datasets.h"
#include "narrow/evaluate.h"
#include "narrow/scheme.h"
#include "narrow/train.h"

namespace narrow {

// `word` as a POSIX shell reads it back: unchanged, or in single quotes.
std::string shell_word(const std::string& word);

std::string download_command(const DownloadOptions& download);
// What the example sets; max_number_of_steps must be there. `threads` 0: not said.
std::string train_command(const TrainOptions& training, int threads);
// `scheme`: bin or fixed-point.
std::string quantizer_command(const std::string& model_name, const CheckpointLocation& checkpoint,
                              int class_count, const Scheme& scheme);
std::string evaluate_command(const std::vector<CheckpointLocation>& checkpoints,
                             const EvaluateOptions& evaluation);

}  // namespace narrow
