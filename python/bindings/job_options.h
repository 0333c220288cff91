// What the jobs of the package are told, in the words of the command line.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "narrow/best_recipe.h"
#include "narrow/calibrate_network.h"
#include "narrow/channel_axes.h"
#include "narrow/checkpoint.h"
#include "narrow/integer_arithmetic.h"
#include "narrow/quantize_network.h"
#include "narrow/quantize_plan.h"
#include "narrow/run_options.h"
#include "narrow/scheme_rules.h"
#include "narrow/selection.h"

namespace narrow::python {

// What becomes of each tensor: a plan file, or rules and a scheme for the rest.
struct PlanArguments {
  PartialScheme scheme;
  AxisRules axes;
  std::vector<std::string> rules;
  std::string rule_file;
  std::string plan;
  Selection selection;
  NonFinitePolicy non_finite = NonFinitePolicy::kError;
  std::string cast;  // of float8 weights: "", "bfloat16", "float32"
};

// Throws Error(kUsage) when there is neither a scheme nor a plan nor a rule, or a plan and anything
// else; what making or reading the plan throws.
QuantizePlan plan_of(const PlanArguments& args, const CheckpointReader& reader);

// What is done, for titles: "bin, 4 bits", "plan plan.json", "rules".
std::string title_of(const PlanArguments& args);

// That methods are to be chosen.
struct BestArguments {
  bool uniform = false;
  bool has_rounding = false;  // `round` was given
};

struct ChosenPlan {
  QuantizePlan plan;
  NetworkMethods methods;
  std::string title;
  std::optional<BestRecipe> best;  // that chose them

  // What is to be quantized, for a checkpoint that was opened as `reader`.
  const CheckpointReader& source(const CheckpointReader& reader) const;
};

// plan_of and the methods, or what best_recipe makes of them. Throws what these throw, and
// Error(kUsage) for a best recipe with a plan, with rules or without bits. `may_level` as in
// BestRequest.
ChosenPlan chosen_plan(const PlanArguments& args, const NetworkMethods& methods,
                       const std::optional<BestArguments>& best, bool may_level,
                       const CheckpointReader& reader, const RunOptions& run);

// What `requantize`, `round_mode` and `overflow` say; empty words are the defaults. Throws
// Error(kUsage) for words that say nothing.
IntegerArithmetic arithmetic_of(const std::string& mode, const std::string& round_mode,
                                const std::string& overflow);

// Throws Error(kUsage) for another name than "float16", "bfloat16" and "float32"; empty: nothing.
std::optional<DType> cast_of(const std::string& name);

}  // namespace narrow::python
