#include "job_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "narrow/error.h"
#include "narrow/plan.h"

namespace narrow::python {
namespace {

std::vector<SchemeRule> rules_of(const PlanArguments& args) {
  std::vector<SchemeRule> rules;
  for (const std::string& text : args.rules) rules.push_back(parse_scheme_rule(text));
  if (args.rule_file.empty()) return rules;
  for (SchemeRule& rule : read_scheme_rules(args.rule_file)) rules.push_back(std::move(rule));
  return rules;
}

bool has_rules(const PlanArguments& args) { return !args.rules.empty() || !args.rule_file.empty(); }

bool has_channels(const TensorPlan& tensor) {
  return tensor.scheme && tensor.scheme->granularity.kind == Granularity::Kind::kChannel;
}

void require_channels(const PlanArguments& args, const QuantizePlan& plan) {
  if (args.axes != AxisRules() && std::ranges::none_of(plan, has_channels)) {
    throw Error(ErrorCategory::kUsage, "axis is for granularity=\"channel\"");
  }
}

}  // namespace

QuantizePlan plan_of(const PlanArguments& args, const CheckpointReader& reader) {
  const bool has_scheme = args.scheme.has_kind || args.scheme.has_bits;
  if (!args.plan.empty()) {
    if (has_scheme || has_rules(args)) {
      throw Error(ErrorCategory::kUsage,
                  "a plan says everything: it goes neither with a scheme and bits nor with rules");
    }
    return make_plan(read_plan_file(args.plan), reader);
  }
  if (!has_rules(args) && !args.scheme.is_complete()) {
    throw Error(ErrorCategory::kUsage, "scheme and bits are needed, or rule, or plan");
  }
  QuantizePlan plan =
      has_rules(args)
          ? make_rule_plan(reader, rules_of(args), args.scheme, args.selection, args.axes)
          : make_plan(reader, args.scheme.scheme, args.selection, args.axes);
  require_channels(args, plan);
  return plan;
}

std::string title_of(const PlanArguments& args) {
  if (!args.plan.empty()) return "plan " + args.plan;
  if (!args.scheme.is_complete()) return "rules";
  const Scheme& scheme = args.scheme.scheme;
  std::string title = fmt::format("{}, {} bits", to_string(scheme.kind), scheme.bits);
  if (has_format(scheme)) title += ", " + to_text(scheme.format, scheme.bits);
  if (scheme.range != Range()) title += ", range " + to_string(scheme.range);
  return has_rules(args) ? title + ", and rules" : title;
}

const CheckpointReader& ChosenPlan::source(const CheckpointReader& reader) const {
  return best ? best->source(reader) : reader;
}

ChosenPlan chosen_plan(const PlanArguments& args, const NetworkMethods& methods,
                       const std::optional<BestArguments>& best, bool may_level,
                       const CheckpointReader& reader, const RunOptions& run) {
  if (!best) return {plan_of(args, reader), methods, title_of(args), {}};
  if (!args.plan.empty() || has_rules(args) || !args.scheme.has_bits) {
    throw Error(ErrorCategory::kUsage,
                "best chooses methods for bits, and takes no plan, rule and rules");
  }
  BestRecipe recipe = best_recipe(reader,
                                  {best_scheme(args.scheme), args.axes, args.selection, methods,
                                   best->has_rounding, best->uniform, may_level},
                                  run);
  require_channels(args, recipe.plan);
  PlanArguments chosen = args;
  chosen.scheme = {recipe.scheme, true, true, true, true};
  const std::string title =
      recipe.widths ? fmt::format("{} bits a weight on average", *recipe.widths->average_bits)
                    : title_of(chosen);
  return {recipe.plan, recipe.methods, title, std::move(recipe)};
}

IntegerArithmetic arithmetic_of(const std::string& mode, const std::string& round_mode,
                                const std::string& overflow) {
  IntegerArithmetic arithmetic;
  if (!mode.empty()) arithmetic.mode = parse_requantization(mode);
  if (!round_mode.empty()) arithmetic.round_mode = parse_round_mode(round_mode);
  if (!overflow.empty()) arithmetic.overflow = parse_overflow(overflow);
  return arithmetic;
}

std::optional<DType> cast_of(const std::string& name) {
  if (name.empty()) return std::nullopt;
  for (const DType type : {DType::kFloat16, DType::kBFloat16, DType::kFloat32}) {
    if (to_string(type) == name) return type;
  }
  throw Error(ErrorCategory::kUsage,
              fmt::format("cast '{}': expected float16, bfloat16 or float32", name));
}

}  // namespace narrow::python
