// `quantize --best`: the best known recipe for what is there.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/commands/levelled_network.h"
#include "cli/commands/network_run.h"
#include "cli/options/plan_options.h"
#include "cli/options/scheme_options.h"
#include "cli/parser/command.h"
#include "cli/parser/command_line.h"
#include "narrow/checkpoint.h"
#include "narrow/plan.h"

namespace narrow {

// Fills in what was not typed of the scheme; gives the options that would have said it.
std::map<std::string, std::string> fill_best_scheme(const Command& command, SchemeOptions& scheme);

// Whether the batch norms of the network tell what its layers see, without images.
bool has_norm_moments(const CheckpointReader& reader, AllocationRequest request);

struct BestRecipe {
  // Widths are to be planned by this; otherwise every tensor has that of the options.
  std::optional<AllocationRequest> plan;
  // Where nothing says beforehand which methods are best: they are to be judged (judge_best). One
  // alone is what was filled in.
  std::vector<NetworkMethods> candidates;
  // A network that is made anew, with levelled channels, may be what is quantized instead
  // (judge_best).
  bool can_level = false;
  // What was filled in, of the scheme and of everything.
  LineChanges scheme;
  LineChanges changes;
  std::string level_command;  // a line of what makes that network, if it is taken
  std::string missing;        // for a better result, as sentences
};

struct BestLimits {
  bool uniform = false;      // every tensor gets the same width
  bool keeps_graph = false;  // only values may be others
};

// Fills in the options that were not typed to `command`. Throws Error(kUsage) for another
// checkpoint than an ONNX file, for a plan, rules or codebooks, and without bits.
BestRecipe choose_best(const CheckpointReader& reader, const Command& command,
                       const BestLimits& limits, PlanOptions& options, NetworkArguments& network);

// The candidate that keeps the outputs best on images that it did not see, for tensors that are
// quantized by `plan`; without images the network with levelled channels where it is possible.
// Gives that network where it is what is to be quantized.
std::unique_ptr<LevelledNetwork> judge_best(const CheckpointReader& reader,
                                            const QuantizePlan& plan, const PlanOptions& options,
                                            int threads, BestRecipe& recipe,
                                            NetworkArguments& network);

// For people: the commands that make the same without --best, and what is missing.
std::string recipe_text(const Command& command, const BestRecipe& recipe);
// plain_command_line of the last of these.
std::string recipe_command(const Command& command, const BestRecipe& recipe);

// The widths that a recipe asks to plan.
NamedPlan plan_widths(const CheckpointReader& reader, const AllocationRequest& request,
                      int threads);

}  // namespace narrow
