// Where the commands put their results when they are not told, or told a directory.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "narrow/checkpoint.h"
#include "narrow/scheme.h"

namespace narrow {

// Throws Error(kUsage) when `output` is empty and `input`, as typed, is a stream, so that nothing
// can be put beside it. To be asked before it is read.
void require_named_output(const std::filesystem::path& input, const std::string& output);

// Where a result goes. `output` as typed (empty: directory `default_directory` beside the input): a
// directory (existing, or ending in '/') means the input's base name in it; otherwise it is the
// prefix (TensorFlow) or file. A format that is only read stands for that of its results.
// Throws Error(kUsage) when that is the input itself.
CheckpointLocation output_location(const CheckpointLocation& input, CheckpointFormat format,
                                   const std::string& output, const std::string& default_directory);

// The names of the formats that a result can have, for the option --format.
std::vector<std::string> written_formats();

// The format that was typed; for none, that of results of `input`.
CheckpointFormat output_format(const std::string& typed, CheckpointFormat input);

// The format that the name `output` says, by its extension: TensorFlow's for a name without one,
// that of results of `input` for a directory (existing, or ending in '/'). Throws Error(kUsage) for
// an extension of no format, Error(kUnsupported) for that of one that is only read.
CheckpointFormat format_of_output(const std::string& output, CheckpointFormat input);

// "bin_8bits", "fixed-point_8bits": the default output directory. What is not the default of a
// scheme follows, so that different recipes do not meet: "fixed-point_8bits_decimal",
// "bin_4bits_channel_mse", "bin_4bits_group64_percentile99.9".
std::string result_directory_name(const Scheme& scheme);

}  // namespace narrow
