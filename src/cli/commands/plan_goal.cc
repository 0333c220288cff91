#include "cli/commands/plan_goal.h"

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "cli/commands/network_run.h"
#include "cli/options/dataset_flags.h"
#include "cli/options/slim_flags.h"
#include "cli/parser/command_line.h"
#include "narrow/best_recipe.h"
#include "narrow/error.h"

namespace narrow {
namespace {

// What `quantize` is told besides the plan, which says all else.
const std::vector<std::string> kCarriedOptions = {
    "--fold",  "--equalize",     "--absorb-channel-scales",
    "--round", "--bias-correct", "--eval_image_size",
    "--cast"};
// That say which images methods see; the size counts without images too.
const std::vector<std::string> kImageOptions = {"--images",
                                                "--dataset_name",
                                                "--dataset_dir",
                                                "--dataset_split_name",
                                                "--preprocessing_name",
                                                "--resize",
                                                "--interpolation",
                                                "--crop_pct",
                                                "--mean",
                                                "--std",
                                                "--resize_side",
                                                "--channel_order",
                                                "--jpeg_dct"};

[[noreturn]] void refuse_option(const std::string& sentence) {
  throw Error(ErrorCategory::kUsage, sentence);
}

// Besides absorbed scales and the correction of means, which the damage of widths knows.
bool has_own_methods(const NetworkMethods& methods) {
  return methods.fold || methods.equalize || methods.rounding != Rounding::kNearest;
}

// Throws Error(kUsage) for an option of a search or a verification that is not made.
void require_used(const Command& command, const GoalArguments& args) {
  const auto refuse = [&](const std::vector<std::string>& options, std::string_view aims) {
    for (const std::string& option : options) {
      if (command.count(option) > 0) refuse_option(fmt::format("{} is for {}", option, aims));
    }
  };
  if (!args.accuracy.goal.is_set()) {
    refuse({"--search_images", "--margin", "--trials"}, "--max-drop and --min-accuracy");
  }
  if (!args.is_asked()) {
    refuse({"--verify_images"}, "--max-drop, --min-accuracy and --verify");
  }
}

}  // namespace

void add_goal_options(Command& command, GoalArguments& args) {
  AccuracyGoal& goal = args.accuracy.goal;
  command
      .add_option("--max-drop", goal.max_drop,
                  "instead: the fewest bits that lose at most so many points of\n"
                  "top-1 accuracy on labelled images")
      .type_name("POINTS");
  command.add_option("--min-accuracy", goal.min_accuracy, "instead: that keep so much of it")
      .type_name("PERCENT");
  command.add_flag("--verify", args.verify,
                   "with a budget: say what the plan gives in accuracy, on images that\n"
                   "nothing was chosen with; with a goal that is always done");
  command.add_flag("--best", args.best,
                   "what is not typed of scheme, ranges and methods as quantize --best\n"
                   "has it: symmetric, channel, mse, 2..8 bits, flips, corrected biases");
}

void add_verification_options(Command& command, GoalArguments& args) {
  command.group(
      "Accuracy, for --max-drop, --min-accuracy and --verify (of a dataset its split test)");
  AccuracyOptions& options = args.accuracy;
  command
      .add_option(slim_flag("search_images"), options.search_images,
                  "most labelled images that a goal is searched on, spread over the\n"
                  "split; at most half of it")
      .type_name("N")
      .capture_default_str();
  command
      .add_option(slim_flag("verify_images"), options.verify_images,
                  "of the others: that the plan is verified on; 0: all")
      .type_name("N")
      .capture_default_str();
  command
      .add_option("--margin", options.margin,
                  "of the search: standard errors of the drop that have to be within\n"
                  "the goal too; 0 takes the images as they are")
      .type_name("X")
      .not_negative()
      .capture_default_str();
  command.add_option("--trials", options.most_trials, "networks that a search evaluates at most")
      .in_range(1, 1000)
      .capture_default_str();
  command
      .add_option(slim_flag("method_images"), args.method_images,
                  "that methods see, spread over the split; 0: none, they estimate")
      .type_name("N")
      .capture_default_str();
  add_method_options(command, options.methods,
                     "Methods that the networks are quantized with (docs/methods.md)");
}

void fill_best_methods(const CheckpointReader& reader, const Command& command,
                       AllocationRequest& request, GoalArguments& args) {
  AccuracyOptions& accuracy = args.accuracy;
  if (args.method_images > 0) {
    accuracy.methods.images = CalibrationImages{request.images, args.method_images};
  }
  choose_best_methods(reader, command.count("--round") > 0, request,
                      args.is_asked() ? &accuracy : nullptr);
}

AccuracyOptions accuracy_options(const Command& command, const GoalArguments& args,
                                 const AllocationRequest& request) {
  require_used(command, args);
  AccuracyOptions options = args.accuracy;
  NetworkMethods& methods = options.methods;
  if (!args.is_asked()) {
    if (!has_own_methods(methods) && args.method_images == 0) return options;
    refuse_option(
        "methods are for --max-drop, --min-accuracy and --verify, which quantize networks; the "
        "widths within a budget depend on --bias-correct and --absorb-channel-scales alone");
  }
  require_images(request.images);
  options.images = request.images;
  // Damage is measured on what the network was trained with, accuracy is not.
  if (command.count("--dataset_split_name") == 0) options.images.dataset_split_name = "test";
  methods.image_size = request.images.image_size;
  if (args.method_images > 0 && methods.any()) {
    methods.images = CalibrationImages{request.images, args.method_images};
  } else if (args.method_images > 0) {
    refuse_option("--method_images is for methods, and none is named");
  } else if (needs_images(methods.rounding)) {
    refuse_option(fmt::format("--round {} needs images: name how many with --method_images",
                              to_string(methods.rounding)));
  }
  return options;
}

std::string quantize_command(const Command& command, const GoalArguments& args,
                             const AllocationRequest& request, const std::string& file) {
  const NetworkMethods& methods = args.accuracy.methods;
  LineChanges changes;
  changes.kept = kCarriedOptions;
  const bool has_activations = !request.activations.empty();
  if (args.method_images > 0 || has_activations) {
    changes.kept.insert(changes.kept.end(), kImageOptions.begin(), kImageOptions.end());
    changes.added.emplace(
        "--calibration_images",
        fmt::format("{}", has_activations ? request.measured_images : args.method_images));
  }
  if (has_activations) changes.added.emplace("--to", "qdq");
  if (!methods.any() && !has_activations) std::erase(changes.kept, "--eval_image_size");
  if (methods.absorb_channel_scales) changes.added.emplace("--absorb-channel-scales", "");
  if (methods.bias_correct) changes.added.emplace("--bias-correct", "");
  if (methods.rounding != Rounding::kNearest) {
    changes.added.emplace("--round", to_string(methods.rounding));
  }
  std::string line = command_line(command, changes);
  constexpr std::string_view kPlan = "narrow plan";
  if (line.starts_with(kPlan)) line.replace(0, kPlan.size(), "narrow quantize");
  line += " --plan " + shell_quote(file);
  return has_activations ? line + " -o quantized.onnx" : line;
}

}  // namespace narrow
