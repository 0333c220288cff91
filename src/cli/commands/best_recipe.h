// `quantize --best`: the best known recipe for what is there.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "cli/commands/network_run.h"
#include "cli/options/plan_options.h"
#include "cli/options/scheme_options.h"
#include "cli/parser/command.h"
#include "narrow/checkpoint.h"
#include "narrow/plan.h"

namespace narrow {

// Fills in what was not typed of the scheme; gives the options that would have said it.
std::map<std::string, std::string> fill_best_scheme(const Command& command, SchemeOptions& scheme);

struct BestRecipe {
  // For people: the commands that make the same without --best, and what is missing for a better
  // result. Empty without --best.
  std::string text;
  std::string command;  // plain_command_line of the last of these
  // Widths are to be planned by this; otherwise every tensor has that of the options.
  std::optional<AllocationRequest> plan;
};

// Fills in the options that were not typed to `command`. With `uniform` every tensor gets the same
// width. Throws Error(kUsage) for another checkpoint than an ONNX file, for a plan, rules or
// codebooks, and without bits.
BestRecipe choose_best(const CheckpointReader& reader, const Command& command, bool uniform,
                       PlanOptions& options, NetworkArguments& network);

// The widths that a recipe asks to plan.
NamedPlan plan_widths(const CheckpointReader& reader, const AllocationRequest& request,
                      int threads);

}  // namespace narrow
