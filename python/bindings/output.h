// Where a job's result goes, as Python says it.
#pragma once

#include <filesystem>
#include <string>

#include "narrow/checkpoint.h"
#include "narrow/overwrite.h"

namespace narrow::python {

struct OutputArguments {
  std::filesystem::path path;  // prefix or file; empty: nothing is written
  std::string format;          // its name; empty: that of results of the input
  bool force = false;
};

Overwrite overwrite_of(const OutputArguments& output);

// Throws Error(kUsage) for a name of no format, with those there are.
CheckpointFormat format_named(const std::string& name);

// Throws Error(kUsage) when that is the input itself, and what format_named throws.
CheckpointLocation location_of(const OutputArguments& output, const CheckpointReader& input);

}  // namespace narrow::python
