#include "cli/commands/best_commands.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>

#include "cli/console/job_progress.h"
#include "cli/options/axis_options.h"
#include "narrow/error.h"
#include "narrow/quantize_activations.h"
#include "report/best_report.h"

namespace narrow {
namespace {

std::vector<std::string> both(std::vector<std::string> a, const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// Besides what changes nothing in the result.
const std::vector<std::string> kOutsideOptions = both(outside_options(), {"--best", "--uniform"});
// Of `quantize` alone.
const std::vector<std::string> kMethodOptions = {"--fold",
                                                 "--equalize",
                                                 "--absorb-channel-scales",
                                                 "--round",
                                                 "--bias-correct",
                                                 "--calibration_images",
                                                 "--memory",
                                                 "--nonfinite",
                                                 "--to",
                                                 "--activations",
                                                 "--activation-range",
                                                 "--activation-rule",
                                                 "--activation-steps",
                                                 "--pack-int4",
                                                 "--target"};
// What a plan says.
const std::vector<std::string> kSchemeOptions = {
    "--scheme", "--bits",     "--granularity", "--axis",          "--scaling",
    "--range",  "--q",        "--ap-fixed",    "--include",       "--exclude",
    "--signed", "--overflow", "--round-mode",  "--fraction-bits", "--moving_averages"};

// Of the network that is written anew.
constexpr const char* kLevelledName = "level.onnx";

using AddedOptions = std::multimap<std::string, std::string>;

// The options of the scheme that were not typed; formats are of fixed point.
AddedOptions scheme_options(const Command& command, const SchemeOptions& typed,
                            const Scheme& chosen) {
  const AddedOptions all = {{"--scheme", std::string(to_string(chosen.kind))},
                            {"--granularity", to_string(chosen.granularity)},
                            {"--range", to_string(chosen.range)}};
  AddedOptions open;
  for (const auto& [option, value] : all) {
    const bool is_said = option == "--scheme" && typed.format.any();
    if (command.count(option) == 0 && !is_said) open.emplace(option, value);
  }
  return open;
}

AddedOptions method_options(const NetworkMethods& typed, bool has_rounding,
                            const NetworkMethods& chosen) {
  AddedOptions added;
  if (chosen.equalize && !typed.equalize) added.emplace("--equalize", "");
  if (chosen.absorb_channel_scales && !typed.absorb_channel_scales) {
    added.emplace("--absorb-channel-scales", "");
  }
  if (!has_rounding) added.emplace("--round", to_string(chosen.rounding));
  if (chosen.bias_correct && !typed.bias_correct) added.emplace("--bias-correct", "");
  return added;
}

std::string plan_command(const Command& command, const AddedOptions& scheme,
                         const AllocationRequest& request) {
  std::string line =
      command_line(command, {both(both(kOutsideOptions, kMethodOptions), {"--bits"}), scheme});
  const std::string quantize = "narrow quantize";
  if (line.starts_with(quantize)) line.replace(0, quantize.size(), "narrow plan");
  line += fmt::format(" --bits {} --average-bits {}", fmt::join(request.widths, ","),
                      *request.average_bits);
  if (request.damage == DamageKind::kMeasured) {
    line += fmt::format(" --calibration_images {}", request.measured_images);
  }
  if (request.bias_correct) line += " --bias-correct";
  return line + " -o plan.json";
}

void require_bits_alone(const PlanOptions& options) {
  const bool has_rules = !options.rules.empty() || !options.rule_file.empty();
  if (options.plan.empty() && !has_rules && options.bits != 0) return;
  throw Error(ErrorCategory::kUsage,
              "--best chooses methods for --bits, and takes no --plan and no rules");
}

NamedPlan plan_with_name(const CheckpointReader& reader, const PlanOptions& options,
                         const BestRecipe& recipe) {
  if (!recipe.widths) return named_plan(options, reader);
  require_names_to_save(options, reader, recipe.plan);
  const double bits = *recipe.widths->average_bits;
  return {recipe.plan, fmt::format("best_{}bits", bits),
          fmt::format("{} bits a weight on average", bits)};
}

// That which quantizes.
void tell_last_command(const Command& command, BestCommands& best) {
  best.commands.back() = command_line(command, best.changes);
  best.json["commands"] = best.commands;
}

}  // namespace

void fill_best_scheme(const Command& command, SchemeOptions& scheme) {
  for (const auto& [option, value] : scheme_options(command, scheme, best_scheme({}))) {
    std::string& text = option == "--scheme"        ? scheme.kind
                        : option == "--granularity" ? scheme.granularity
                                                    : scheme.range;
    text = value;
  }
}

BestCommands choose_best(const CheckpointReader& reader, const Command& command,
                         const BestLimits& limits, int threads, PlanOptions& options,
                         NetworkArguments& network, NamedPlan& plan) {
  require_bits_alone(options);
  const bool has_rounding = command.count("--round") > 0;
  fill_best_scheme(command, options.scheme);
  JobProgress progress("choosing the best");
  BestCommands best;
  best.recipe = best_recipe(reader,
                            {options.scheme.scheme(options.bits), axis_rules(options.scheme.axes),
                             options.selection, network.chosen(options.selection.moving_averages),
                             has_rounding, limits.uniform, limits.may_level},
                            {threads, &progress});
  progress.finish();
  const BestRecipe& recipe = best.recipe;
  plan = plan_with_name(recipe.source(reader), options, recipe);

  const AddedOptions scheme = scheme_options(command, options.scheme, recipe.scheme);
  best.changes = {kOutsideOptions, method_options(network.methods, has_rounding, recipe.methods)};
  if (recipe.widths) {
    best.commands.push_back(plan_command(command, scheme, *recipe.widths));
    best.changes.left_out = both(kOutsideOptions, kSchemeOptions);
    best.changes.added.emplace("--plan", "plan.json");
  } else {
    best.changes.added.insert(scheme.begin(), scheme.end());
  }
  if (recipe.levelled != nullptr) {
    best.changes.input = kLevelledName;
    best.commands.push_back(fmt::format("narrow convert {} --to onnx --equalize -o {}",
                                        shell_quote(reader.location().path.string()),
                                        kLevelledName));
  }
  best.commands.emplace_back();
  best.json = best_json(recipe);
  tell_last_command(command, best);
  network.methods = recipe.methods;
  return best;
}

void choose_best_activations(const CheckpointReader& reader, const Command& command,
                             const QuantizePlan& plan, const NetworkMethods& methods, int threads,
                             BestCommands& best, IntegerArguments& integers) {
  const bool is_said = !integers.rules.empty() || !integers.steps.empty();
  if (!integers.any() || !methods.images || is_said) return;
  ActivationOptions options = activation_options(integers, methods);
  const bool has_range = command.count("--activation-range") > 0;
  JobProgress progress("judging ranges");
  options = choose_activations(reader, plan, std::move(options),
                               has_range ? std::vector<std::string>() : best_activation_ranges(),
                               {threads, &progress});
  progress.finish();
  integers.range = range_text(options.scheme);
  if (!has_range) best.changes.added.emplace("--activation-range", integers.range);
  for (const ActivationRule& rule : options.rules) {
    integers.rules.push_back(bits_rule(rule));
    best.changes.added.emplace("--activation-rule", integers.rules.back());
  }
  add_best_activations(options, best.json);
  tell_last_command(command, best);
}

std::string best_text(const BestCommands& best) {
  const std::string bits = best.recipe.widths
                               ? fmt::format("{} bits a weight on average, ranges included; ",
                                             *best.recipe.widths->average_bits)
                               : "";
  std::string text = fmt::format("best: {}the same as\n", bits);
  for (const std::string& line : best.commands) text += fmt::format("  {}\n", line);
  if (best.recipe.levelled != nullptr) {
    text +=
        "channels are levelled first: a Clip between two layers becomes Relu and Min, with a limit "
        "for each channel\n";
  }
  for (const std::string& sentence : best.recipe.missing) text += sentence + "\n";
  return text;
}

}  // namespace narrow
