// The part of `quantize` that writes integer files: options, and how a run with them goes.
#pragma once

#include <string>
#include <vector>

#include "cli/commands/network_run.h"
#include "cli/options/plan_options.h"
#include "cli/parser/command.h"
#include "narrow/activation_scheme.h"
#include "narrow/quantize_activations.h"

namespace narrow {

struct IntegerArguments {
  std::string activations;
  std::string range = "minmax";
  std::vector<std::string> rules;
  // What --plan says of values, which counts after the rules.
  std::vector<ActivationRule> planned;
  std::string steps;  // of a training
  std::string to;
  bool packs_weights = false;
  std::string target = "portable";

  [[nodiscard]] bool any() const { return !to.empty(); }
};

void add_integer_options(Command& command, IntegerArguments& args);

// Throws Error(kUsage) for options of integer files without --to, a plan for such a file among
// them, and for options of `command` that an integer file has no use for.
void require_integer_options(const Command& command, const IntegerArguments& args);

// What the arguments say. The images of the methods are those that ranges are taken from. Throws
// Error(kUsage) without images, and for what is no width, range or rule.
ActivationOptions activation_options(const IntegerArguments& args, const NetworkMethods& methods);

// Writes to run.output unless it is a dry run. Throws what activation_options and
// quantize_activations throw.
QuantizeReports quantize_to_integers(const CheckpointReader& reader, const NamedPlan& plan,
                                     const NetworkMethods& methods, const IntegerArguments& args,
                                     const QuantizeRun& run);

}  // namespace narrow
