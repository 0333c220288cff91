// The example's steps as the commands that do them alone.
#pragma once

#include <string>
#include <vector>

#include "narrow/run_example.h"

namespace narrow {

// `word` as a POSIX shell reads it back: unchanged, or in single quotes.
std::string shell_word(const std::string& word);

std::string download_command(const ExampleOptions& options);
// `method` 1: bin, 2: fixed-point.
std::string quantizer_command(const ExampleOptions& options, const std::string& checkpoint,
                              int classes, int method, int bits);
std::string evaluate_command(const ExampleOptions& options,
                             const std::vector<std::string>& checkpoints);

}  // namespace narrow
