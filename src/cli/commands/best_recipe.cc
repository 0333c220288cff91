#include "cli/commands/best_recipe.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "cli/console/job_progress.h"
#include "cli/options/axis_options.h"
#include "cli/parser/command_line.h"
#include "narrow/error.h"
#include "narrow/quantize_activations.h"

namespace narrow {
namespace {

std::vector<std::string> both(std::vector<std::string> a, const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

constexpr int kLeastPlannedBits = 3;
constexpr std::uint64_t kMostMeasuredImages = 32;
const std::vector<std::string> kJudgedRanges = {"minmax", "mse", "percentile:99.99",
                                                "percentile:99.9"};

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

[[noreturn]] void refuse(const std::string& sentence) {
  throw Error(ErrorCategory::kUsage, sentence);
}

bool has_images(const NetworkArguments& network) {
  const ImageSource& images = network.images.source;
  return !images.pictures.empty() || !images.dataset_dir.empty() || !images.inputs.empty();
}

// The widths that a plan of so many bits on average chooses from.
std::vector<int> widths_around(int bits) {
  std::vector<int> widths;
  for (const int difference : {-2, -1, 0, 1, 2, 4}) {
    const int width = bits + difference;
    if (width >= 2 && width <= 32) widths.push_back(width);
  }
  return widths;
}

AllocationRequest request_of(const PlanOptions& options, const NetworkArguments& network) {
  AllocationRequest request;
  request.scheme = options.scheme.scheme(options.bits);
  request.axes = axis_rules(options.scheme.axes);
  request.widths = widths_around(options.bits);
  request.selection = options.selection;
  request.average_bits = options.bits;
  request.images = network.images.source;
  request.measured_images = std::min(kMostMeasuredImages, network.images.count);
  return request;
}

// Whether widths can differ: with ranges of channels. With one range scales are absorbed instead.
bool can_plan(const PlanOptions& options) {
  return options.bits >= kLeastPlannedBits && options.scheme.granularity == "channel";
}

std::string plan_command(const Command& command, const LineChanges& scheme,
                         const AllocationRequest& request) {
  std::string line = command_line(
      command, {both(both(scheme.left_out, kMethodOptions), {"--bits"}), scheme.added});
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

// The methods that go with what is known of the layers' inputs. Where widths are planned the large
// layers have the fewest bits, and gptq fits them too closely to a few hundred images: flips keep
// more (docs/results.md).
std::map<std::string, std::string> choose_methods(const PlanOptions& options, bool has_moments,
                                                  bool is_planned, NetworkArguments& network) {
  std::map<std::string, std::string> added;
  NetworkMethods& methods = network.methods;
  const auto choose = [&](const std::string& option, bool& method) {
    if (!method) added[option] = "";
    method = true;
  };
  if (options.scheme.granularity == "tensor" && !methods.fold) {
    choose("--absorb-channel-scales", methods.absorb_channel_scales);
  }
  if (methods.rounding == Rounding::kNearest) {
    methods.rounding = has_images(network) && !is_planned ? Rounding::kGptq : Rounding::kFlips;
    added["--round"] = to_string(methods.rounding);
  }
  if (has_moments) choose("--bias-correct", methods.bias_correct);
  return added;
}

void require_possible(const CheckpointReader& reader, const PlanOptions& options) {
  if (reader.location().format != CheckpointFormat::kOnnx) {
    refuse("--best chooses for ONNX files; docs/methods.md has the recipe for ResNet V1");
  }
  const bool has_rules = !options.rules.empty() || !options.rule_file.empty();
  if (!options.plan.empty() || has_rules || options.bits == 0) {
    refuse("--best chooses methods for --bits, and takes no --plan and no rules");
  }
  if (options.scheme.kind == "codebook") {
    refuse("--best rounds to codes that are equally far apart; those of a codebook are not");
  }
}

// Methods that were not asked for, where no batch norms tell what layers see and images do:
// roundings where widths are planned, levelled channels where they share a range.
std::vector<NetworkMethods> methods_to_judge(const Command& command, const PlanOptions& options,
                                             const NetworkArguments& network, bool is_planned) {
  std::vector<NetworkMethods> all = {network.chosen(false)};
  if (is_planned && command.count("--round") == 0) {
    all.push_back(all.front());
    all.back().rounding = Rounding::kGptq;
  }
  if (options.scheme.granularity != "channel" && !network.methods.equalize) {
    all.push_back(all.front());
    all.back().equalize = true;
  }
  return all;
}

std::string missing_text(bool has_moments, bool has_images) {
  std::string text;
  if (!has_moments) {
    text =
        "no batch norms tell what the layers see (they may be folded): biases are not corrected\n";
  }
  if (has_images) return text;
  return text +
         "images would allow more: with 100 (--images, --preprocessing_name) the damage of widths "
         "and the means of layers are measured\n";
}

}  // namespace

std::map<std::string, std::string> fill_best_scheme(const Command& command, SchemeOptions& scheme) {
  std::map<std::string, std::string> added;
  const auto choose = [&](const std::string& option, const std::string& value, std::string& to) {
    if (command.count(option) > 0) return;
    to = value;
    added[option] = value;
  };
  choose("--scheme", "symmetric", scheme.kind);
  choose("--granularity", "channel", scheme.granularity);
  choose("--range", "mse", scheme.range);
  return added;
}

bool has_norm_moments(const CheckpointReader& reader, AllocationRequest request) {
  request.images = {.image_size = request.images.image_size};
  return best_damage(reader, request) != DamageKind::kWeight;
}

BestRecipe choose_best(const CheckpointReader& reader, const Command& command, bool uniform,
                       PlanOptions& options, NetworkArguments& network) {
  require_possible(reader, options);
  BestRecipe recipe;
  recipe.scheme = {kOutsideOptions, fill_best_scheme(command, options.scheme)};
  AllocationRequest request = request_of(options, network);
  request.damage = best_damage(reader, request);
  const bool has_norms = has_norm_moments(reader, request);
  // Otherwise nothing is known of what layers see.
  const bool has_moments = has_images(network) || has_norms;
  const bool is_planned = !uniform && can_plan(options);
  recipe.changes = {kOutsideOptions, choose_methods(options, has_moments, is_planned, network)};
  request.bias_correct = network.methods.bias_correct;
  NetworkMethods& methods = network.methods;
  LayerPairs pairs;
  if (!has_norms && options.scheme.granularity == "tensor") pairs = equalizable_pairs(reader);
  if (pairs.all > 0 && !has_images(network) && !methods.equalize) {
    methods.equalize = true;
    recipe.changes.added["--equalize"] = "";
  }
  if (!has_norms && has_images(network)) {
    recipe.candidates = methods_to_judge(command, options, network, is_planned);
  }
  if (is_planned) {
    recipe.plan = request;
    recipe.changes.left_out = both(recipe.changes.left_out, kSchemeOptions);
    recipe.changes.added["--plan"] = "plan.json";
  } else {
    recipe.changes.added.insert(recipe.scheme.added.begin(), recipe.scheme.added.end());
  }
  recipe.missing = missing_text(has_moments, has_images(network));
  if (pairs.clipped > 0) {
    recipe.missing +=
        "one range for each tensor costs less after narrow convert FILE --to onnx --equalize\n";
  }
  return recipe;
}

void judge_best(const CheckpointReader& reader, const QuantizePlan& plan, int threads,
                BestRecipe& recipe, NetworkArguments& network) {
  if (recipe.candidates.size() < 2) return;
  JobProgress progress("judging methods");
  const std::vector<double> changes =
      judge_methods(reader, plan, recipe.candidates, {threads, &progress});
  progress.finish();
  const auto best = std::ranges::min_element(changes) - changes.begin();
  const NetworkMethods& chosen = recipe.candidates[static_cast<std::size_t>(best)];
  network.methods.rounding = chosen.rounding;
  network.methods.equalize = chosen.equalize;
  if (const auto rounding = recipe.changes.added.find("--round");
      rounding != recipe.changes.added.end()) {
    rounding->second = to_string(chosen.rounding);
  }
  if (chosen.equalize) recipe.changes.added["--equalize"] = "";
}

void choose_best_activations(const CheckpointReader& reader, const Command& command,
                             const QuantizePlan& plan, const NetworkMethods& methods, int threads,
                             BestRecipe& recipe, IntegerArguments& integers) {
  const bool is_said = !integers.rules.empty() || !integers.steps.empty();
  if (!integers.any() || !methods.images || is_said) return;
  ActivationOptions options = activation_options(integers, methods);
  const bool has_range = command.count("--activation-range") > 0;
  JobProgress progress("judging ranges");
  options = choose_activations(reader, plan, std::move(options),
                               has_range ? std::vector<std::string>() : kJudgedRanges,
                               {threads, &progress});
  progress.finish();
  integers.range = range_text(options.scheme);
  if (!has_range) recipe.changes.added["--activation-range"] = integers.range;
  for (const ActivationRule& rule : options.rules) {
    integers.rules.push_back(fmt::format("{}: {}", rule.pattern, rule.scheme.bits));
  }
  if (!options.rules.empty()) {
    recipe.changes.added["--activation-rule"] = fmt::format("{}", fmt::join(integers.rules, "\n"));
  }
}

std::string recipe_command(const Command& command, const BestRecipe& recipe) {
  return plain_command_line(command, recipe.changes);
}

std::string recipe_text(const Command& command, const BestRecipe& recipe) {
  const std::string last = command_line(command, recipe.changes);
  if (!recipe.plan) return fmt::format("best: the same as\n  {}\n{}", last, recipe.missing);
  return fmt::format(
      "best: {} bits a weight on average, ranges included; the same as\n  {}\n  {}\n{}",
      *recipe.plan->average_bits, plan_command(command, recipe.scheme, *recipe.plan), last,
      recipe.missing);
}

NamedPlan plan_widths(const CheckpointReader& reader, const AllocationRequest& request,
                      int threads) {
  JobProgress progress("planning widths");
  const BitAllocation allocation = plan_budget(reader, request, {threads, &progress});
  progress.finish();
  std::vector<PlanEntry> entries;
  for (const AllocatedTensor& tensor : allocation.tensors) {
    entries.push_back({tensor.info.name, tensor.info.shape, tensor.scheme});
  }
  return {make_plan(entries, reader), fmt::format("best_{}bits", *request.average_bits),
          fmt::format("{} bits a weight on average", *request.average_bits)};
}

}  // namespace narrow
