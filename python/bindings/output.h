// Where a job's result goes, as Python says it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/staging/staged_output.h"
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

// A text file, whole when write() returns and otherwise not there. Without a path there is none.
class TextOutput {
 public:
  // Takes its place, so that a refusal comes before the work. Throws Error: kExists, kIo.
  explicit TextOutput(const OutputArguments& output);
  void write(std::string_view text);

 private:
  std::string name_;
  std::optional<StagedOutput> staged_;
};

}  // namespace narrow::python
