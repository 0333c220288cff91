// `quantize --best` and `plan --best`: what was typed, and the commands that do the same without.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/commands/integer_run.h"
#include "cli/commands/network_run.h"
#include "cli/options/plan_options.h"
#include "cli/options/scheme_options.h"
#include "cli/parser/command.h"
#include "cli/parser/command_line.h"
#include "narrow/best_recipe.h"
#include "narrow/checkpoint.h"

namespace narrow {

// Fills in what was not typed of the scheme.
void fill_best_scheme(const Command& command, SchemeOptions& scheme);

// A recipe in words of the program.
struct BestCommands {
  LineChanges changes;                // of the command line, instead of --best
  std::vector<std::string> commands;  // the last quantizes
  nlohmann::ordered_json json;        // best_json and these commands
  BestRecipe recipe;
};

struct BestLimits {
  bool uniform = false;    // every tensor gets the same width
  bool may_level = false;  // as in BestRequest
};

// Chooses, and fills in `options`, `network` and `plan`, which may be for BestRecipe::levelled.
// Throws Error(kUsage) for a plan, rules and without bits; what best_recipe throws.
BestCommands choose_best(const CheckpointReader& reader, const Command& command,
                         const BestLimits& limits, int threads, PlanOptions& options,
                         NetworkArguments& network, NamedPlan& plan);

// The range of activations that keeps the outputs best, and 8 bits for the network's inputs, where
// neither was typed nor is anything else said of them; in `best` too.
void choose_best_activations(const CheckpointReader& reader, const Command& command,
                             const QuantizePlan& plan, const NetworkMethods& methods, int threads,
                             BestCommands& best, IntegerArguments& integers);

// For people: the commands that make the same without --best, and what is missing.
std::string best_text(const BestCommands& best);

}  // namespace narrow
