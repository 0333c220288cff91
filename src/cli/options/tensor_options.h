// Options about the tensors of a checkpoint that several commands share: moving averages instead of
// variables, float8 weights as what they stand for.
#pragma once

#include <optional>
#include <string>

#include "cli/parser/command.h"
#include "narrow/checkpoint.h"
#include "narrow/selection.h"

namespace narrow {

// --moving_averages.
Option add_moving_averages_option(Command& command, bool& moving_averages);

// --cast; `cast` is empty or one of its words.
void add_cast_option(Command& command, std::string& cast);
// --cast of a command that casts all floating-point tensors.
void add_type_cast_option(Command& command, std::string& cast);
std::optional<DType> cast_of(const std::string& cast);

// Says on standard error that moving averages are copied, where they are.
void note_moving_averages(const CopyCounts& copied);

// Says on standard error what was restored of float8 weights, if anything.
void note_float8(const CheckpointReader& reader);

}  // namespace narrow
