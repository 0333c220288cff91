// The part of `quantize` that writes integer files: options, and how a run with them goes.
#pragma once

#include <string>

#include "cli/commands/network_run.h"
#include "cli/options/exports.h"
#include "cli/options/plan_options.h"
#include "cli/parser/command.h"
#include "narrow/quantize_activations.h"

namespace narrow {

struct IntegerArguments {
  std::string activations;
  std::string range = "minmax";
  std::string to;
  std::string target = "portable";

  [[nodiscard]] bool any() const { return !to.empty() || !activations.empty(); }
};

void add_integer_options(Command& command, IntegerArguments& args);

// How a run reports, besides what QuantizeRun says.
struct IntegerReporting {
  bool json = false;
  bool per_tensor = false;
  std::string first_text;  // before the summary
};

// Throws Error(kUsage) for options that do not go together; what quantize_activations throws.
void quantize_to_integers(const CheckpointReader& reader, const NamedPlan& plan,
                          const NetworkMethods& methods, const CalibrationImages& images,
                          const IntegerArguments& args, const std::string& output,
                          const QuantizeRun& run, Exports& exports,
                          const IntegerReporting& reporting);

}  // namespace narrow
