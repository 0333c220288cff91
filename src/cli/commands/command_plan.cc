#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/utf8.h"
#include "cli/commands/best_commands.h"
#include "cli/commands/commands.h"
#include "cli/commands/plan_goal.h"
#include "cli/console/console.h"
#include "cli/console/job_progress.h"
#include "cli/options/axis_options.h"
#include "cli/options/common_options.h"
#include "cli/options/dataset_flags.h"
#include "cli/options/evaluate_flags.h"
#include "cli/options/exports.h"
#include "cli/options/part_options.h"
#include "cli/options/plan_arguments.h"
#include "cli/options/scheme_options.h"
#include "cli/options/tensor_options.h"
#include "narrow/activation_lists.h"
#include "narrow/error.h"
#include "narrow/packed_checkpoint.h"
#include "narrow/plan.h"
#include "narrow/plan_accuracy.h"
#include "narrow/sweep.h"
#include "report/plan_accuracy_report.h"
#include "report/plan_report.h"
#include "report/report.h"
#include "report/table/table_formats.h"

namespace narrow {
namespace {

struct Arguments {
  std::string checkpoint;
  std::string budget;
  std::optional<double> average_bits;
  bool quantized_only = false;
  std::string damage;  // empty: the best
  ImageSource images;
  int batch_size = AllocationRequest().batch_size;
  std::uint64_t max_num_batches = AllocationRequest().max_num_batches;
  GoalArguments goal;
  std::uint64_t measured_images = AllocationRequest().measured_images;
  SchemeOptions scheme;
  std::string bits;
  Selection selection;
  std::vector<std::string> fixed;
  std::vector<std::string> minimum;
  std::vector<std::string> maximum;
  std::vector<std::string> same;
  std::string vector_bits = "16";
  std::vector<std::string> activations;
  std::string activation_range = "minmax";
  std::string cast;
  std::string output;
  int threads = 0;
  bool force = false;
  bool per_tensor = false;
  bool json = false;
  ExportOptions exports;
  PartOptions part;
};

void add_budget_options(Command& command, Arguments& args) {
  command.add_option("checkpoint", args.checkpoint, "file, prefix or directory")
      .required()
      .type_name("CKPT");
  Option budget =
      command.add_option("--budget", args.budget, "most bytes: 12MiB, 12.5MB, 12582912");
  budget.type_name("SIZE");
  command
      .add_option("--average-bits", args.average_bits,
                  "instead: bits a weight of the planned tensors, parameters included")
      .type_name("X")
      .excludes(budget);
  add_goal_options(command, args.goal);
  command.add_flag("--quantized-only", args.quantized_only,
                   "the budget leaves copied tensors out of account");
  command
      .add_option("--damage", args.damage,
                  "what is kept low: see below; default the best that is possible")
      .one_of({"weight", "output", "fisher", "measured"});
  args.scheme.kind = "bin";
  add_kind_option(command, args.scheme, "as in quantize; codebook above 8 bits: bin")
      .capture_default_str();
  command
      .add_option("-b,--bits", args.bits, "widths to choose from; default 1..16, of codebooks 1..8")
      .type_name("LIST");
  add_block_options(command, args.scheme);
  command
      .add_option("--fraction-bits", args.scheme.format.fraction_bits,
                  "n of fixed-point at every width instead of the greatest that fits")
      .type_name("N");
  add_mode_options(command, args.scheme.format);
}

void add_rule_options(Command& command, Arguments& args) {
  add_repeatable_option(command, "--include", args.selection.include, "GLOB",
                        "plan tensors of this GLOB only");
  add_repeatable_option(command, "--exclude", args.selection.exclude, "GLOB",
                        "copy tensors of this GLOB");
  add_moving_averages_option(command, args.selection.moving_averages);
  add_repeatable_option(command, "--fix", args.fixed, "GLOB=BITS", "exactly this width");
  add_repeatable_option(command, "--min", args.minimum, "GLOB=BITS", "at least this width");
  add_repeatable_option(command, "--max", args.maximum, "GLOB=BITS", "at most this width");
  add_repeatable_option(command, "--same", args.same, "GLOB", "one width for all of them");
  command
      .add_option("--vector-bits", args.vector_bits,
                  "width of tensors of rank 0 and 1 that no --fix names, or plan")
      .type_name("BITS|plan")
      .capture_default_str();
}

// Gradients are measured on few images, of which small batches give the best estimate.
void add_image_options(Command& command, Arguments& args) {
  args.images.dataset_split_name = "train";
  command.group(
      "Images for --damage measured and fisher and for accuracy; --damage output takes their size");
  command
      .add_option("--inputs", args.images.inputs,
                  "of --damage measured: instead of images, arrays named like the\n"
                  "network's inputs")
      .type_name("FILE.npz");
  add_dataset_options(command, args.images, args.batch_size, args.max_num_batches);
  command.add_option("--batches", args.max_num_batches, "the same as --max_num_batches");
  command
      .add_option("--calibration_images", args.measured_images,
                  "of --damage measured: how many, spread over the split")
      .in_range(2, 1 << 24)
      .capture_default_str();
  add_verification_options(command, args.goal);
  command.get_option("--bias-correct")
      .description(
          "moving statistics and biases absorb shifts of mean and spread;\n"
          "damage to ONNX files is then what this leaves");
  command.group("Options");
  command.show_first_names();
}

void add_activation_options(Command& command, Arguments& args) {
  command.group("Activations of ONNX files (docs/integers.md)");
  add_list_option(command, "--activations", args.activations, "LIST",
                  "also plan values between operators: widths to choose from, 8,6,4 or\n"
                  "8:symmetric,4:symmetric. A budget then counts the values of one\n"
                  "example besides the weights, and networks are exact integers");
  command
      .add_option("--activation-range", args.activation_range,
                  "of what images show: minmax, mse, entropy or percentile:P")
      .type_name("RANGE")
      .capture_default_str();
  command.group("Options");
}

void add_output_options(Command& command, Arguments& args) {
  command.add_option("-o,--output", args.output, "write the plan here, for quantize --plan")
      .type_name("FILE.json");
  add_cast_option(command, args.cast);
  add_threads_option(command, args.threads);
  add_force_flag(command, args.force, "replace an existing file");
  command.add_flag("--per-tensor", args.per_tensor, "print a row for each tensor");
  add_json_flag(command, args.json);
  add_export_options(command, args.exports);
  add_part_options(command, args.part);
  command.footer(
      "Damage: weight    sum over tensors of |error|^2 / |values|^2\n"
      "        output    noise after each layer's batch norm, for networks of TF-Slim and ONNX\n"
      "                  files; needs no data, only the size of images: --eval_image_size\n"
      "        measured  change of the classes, or other outputs, for images or arrays, without\n"
      "                  labels, when one tensor at a time is quantized; not of ResNet V1\n"
      "        fisher    rise of the loss by mean squared gradients, for networks of TF-Slim and\n"
      "                  a dataset\n"
      "Of the rules of one kind the first that matches a tensor counts. The plan is the best\n"
      "there is, and 'at least' is a proof: no plan within the budget damages less.\n"
      "With a goal, tensors may stay in float, and status 1 says that it was missed on the images\n"
      "that verify the plan.\n"
      "Example: narrow plan model.ckpt-0 --budget 12MiB --fix '*/logits/*=8' -o plan.json\n"
      "         narrow quantize model.ckpt-0 --plan plan.json\n"
      "         narrow plan model.onnx --max-drop 1 --images pictures --preprocessing_name "
      "imagenet "
      "-o plan.json");
}

std::vector<WidthRule> rules_of(const std::vector<std::string>& texts, const char* option) {
  std::vector<WidthRule> rules;
  for (const std::string& text : texts) rules.push_back(parse_width_rule(text, option));
  return rules;
}

// All that the scheme has, up to 16: symmetric codes need a sign beside the zero.
std::string default_widths(const Scheme& scheme) {
  if (scheme.kind == SchemeKind::kCodebook) return fmt::format("1..{}", kMaxCodebookBits);
  const bool is_symmetric =
      scheme.kind == SchemeKind::kSymmetric || scheme.format.overflow == Overflow::kSymmetric;
  return is_symmetric ? "2..16" : "1..16";
}

std::optional<int> vector_bits_of(const std::string& text) {
  if (text == "plan") return std::nullopt;
  return parse_width(text, "--vector-bits");
}

AllocationRequest request_of(const Arguments& args) {
  AllocationRequest request;
  request.scheme = args.scheme.scheme(Scheme().bits);
  if (request.scheme.granularity.kind != Granularity::Kind::kChannel) {
    require_no_axes(args.scheme.axes);
  }
  request.axes = axis_rules(args.scheme.axes);
  request.widths = parse_widths(args.bits.empty() ? default_widths(request.scheme) : args.bits);
  request.selection = args.selection;
  const AccuracyGoal& goal = args.goal.accuracy.goal;
  const int aims = (args.budget.empty() ? 0 : 1) + (args.average_bits ? 1 : 0) +
                   (goal.max_drop ? 1 : 0) + (goal.min_accuracy ? 1 : 0);
  if (aims != 1) {
    throw Error(ErrorCategory::kUsage,
                "a plan needs a budget, --budget SIZE or --average-bits X, or a goal, --max-drop "
                "POINTS or --min-accuracy PERCENT: one of the four");
  }
  if (!args.budget.empty()) request.budget_bytes = parse_byte_size(args.budget, "--budget");
  request.average_bits = args.average_bits;
  request.quantized_only = args.quantized_only;
  if (!args.damage.empty()) request.damage = parse_damage_kind(args.damage);
  request.fixed = rules_of(args.fixed, "--fix");
  request.minimum = rules_of(args.minimum, "--min");
  request.maximum = rules_of(args.maximum, "--max");
  request.same = args.same;
  request.vector_bits = vector_bits_of(args.vector_bits);
  request.images = args.images;
  request.batch_size = args.batch_size;
  request.max_num_batches = args.max_num_batches;
  request.measured_images = args.measured_images;
  request.activations = planned_activations(args.activations, args.activation_range);
  request.bias_correct = args.goal.accuracy.methods.bias_correct;
  request.absorb_channel_scales = args.goal.accuracy.methods.absorb_channel_scales;
  if (request.damage == DamageKind::kFisher) require_images(request.images);
  return request;
}

// What the damage of a plan is, and why this one.
std::string damage_text(const Arguments& args, const AllocationRequest& request) {
  std::string text;
  switch (request.damage) {
    case DamageKind::kWeight:
      text = "weight, the share of noise in each tensor";
      break;
    case DamageKind::kOutput:
      text = "output, the noise that layers make, estimated from the weights";
      break;
    case DamageKind::kFisher:
      text = "fisher, the rise of the loss by squared gradients";
      break;
    case DamageKind::kMeasured:
      text = "measured, the change of what the network makes of examples";
      break;
  }
  const bool looks_at_images = request.damage == DamageKind::kFisher ||
                               request.damage == DamageKind::kMeasured || args.goal.is_asked();
  if (request.images.has_examples() && !looks_at_images) {
    text += "; the images are not looked at, as --damage measured or fisher would";
  }
  if (!args.damage.empty()) return fmt::format("damage: {}\n", text);
  const bool is_known = request.damage != DamageKind::kWeight;
  return fmt::format("damage: {} ({})\n", text,
                     is_known ? "the best that the input allows" : "what they meet is not known");
}

void require_measured(const Arguments& args, const AllocationRequest& request) {
  if (args.activations.empty() || request.damage == DamageKind::kMeasured) return;
  throw Error(ErrorCategory::kUsage,
              "--activations are planned by --damage measured, which needs an ONNX file and what "
              "goes through it: --images, --dataset_name and --dataset_dir, or --inputs");
}

// The plan, with what it gives in accuracy where that is looked at.
struct MadePlan {
  AccuracyPlan made;
  bool has_accuracy = false;

  [[nodiscard]] std::string file_text() const {
    return has_accuracy ? plan_file_text(made) : plan_file_text(made.plan);
  }
  [[nodiscard]] Report report() const {
    return has_accuracy ? plan_report(made) : plan_report(made.plan);
  }
  [[nodiscard]] nlohmann::ordered_json json() const {
    return has_accuracy ? plan_json(made) : plan_json(made.plan);
  }
  [[nodiscard]] bool holds() const { return made.accuracy.verification.holds; }
};

MadePlan make_asked(const CheckpointReader& reader, const Arguments& args,
                    const AllocationRequest& request, const AccuracyOptions& accuracy) {
  JobProgress progress("measuring every width");
  const RunOptions run{args.threads, &progress};
  MadePlan plan;
  plan.has_accuracy = args.goal.is_asked();
  if (plan.has_accuracy) {
    plan.made = plan_accuracy(reader, request, accuracy, run);
  } else {
    plan.made.plan = plan_budget(reader, request, run);
  }
  progress.finish();
  return plan;
}

void print_plan(const Command& command, const Arguments& args, const AllocationRequest& request,
                const MadePlan& plan, bool is_in_file) {
  const BitAllocation& allocation = plan.made.plan;
  print_result(damage_text(args, request));
  if (args.per_tensor) print_result(table_text(allocation_table(allocation, false)) + "\n");
  if (args.per_tensor && !allocation.activations.empty()) {
    print_result(table_text(planned_activations_table(allocation)) + "\n");
  }
  const bool has_goal = plan.made.accuracy.goal.is_set();
  if (!has_goal) print_result(table_text(curve_table(allocation)) + "\n");
  print_result(plan_summary_text(allocation, !has_goal));
  if (plan.has_accuracy) print_result("\n" + accuracy_text(plan.made));
  if (!is_in_file) return;
  print_result(fmt::format("written: {}\n", shown(args.output)));
  if (!plan.has_accuracy) return;
  print_result(fmt::format("made by that plan:\n  {}\n",
                           quantize_command(command, args.goal, request, args.output)));
}

int run(Arguments args, const Command& command) {
  refuse_without(command, !args.activations.empty(), "--activations", {"--activation-range"});
  if (args.goal.best) {
    fill_best_scheme(command, args.scheme);
    if (args.bits.empty()) args.bits = "2..8";
  }
  AllocationRequest request = request_of(args);
  PartRun part(args.part, "plan", args.force);
  Exports exports(args.exports, args.force);
  std::optional<StagedFile> file;
  if (!args.output.empty()) {
    file.emplace(args.output, overwrite_of(args.force));
  }
  const auto reader = open_unpacked(args.checkpoint, cast_of(args.cast));
  if (file) {
    for (const std::size_t index : selected_indices(*reader, request.selection)) {
      require_name_for_plan(reader->tensors()[index]);
    }
  }
  if (args.damage.empty()) request.damage = best_damage(*reader, request);
  require_measured(args, request);
  if (args.goal.best) fill_best_methods(*reader, command, request, args.goal);
  const AccuracyOptions accuracy = accuracy_options(command, args.goal, request);
  const MadePlan plan = make_asked(*reader, args, request, accuracy);
  if (part.is_done()) return 0;
  const BitAllocation& allocation = plan.made.plan;
  AxisDoubts doubts(reader->location().format, request.axes);
  for (const AllocatedTensor& tensor : allocation.tensors) doubts.add(request.scheme, tensor.info);
  doubts.tell();
  note_moving_averages(allocation.copied_by_reason);
  note_float8(*reader);
  if (file) file->write(plan.file_text());
  if (!exports.is_empty()) exports.write(plan.report());
  if (args.json) {
    print_result(json_text(plan.json()));
  } else {
    print_plan(command, args, request, plan, file && file->is_file());
  }
  return plan.holds() ? 0 : 1;
}

}  // namespace

void add_plan_command(Command& program, CommandOutcome& outcome) {
  Command command = program.add_subcommand(
      "plan", "Choose the width of every tensor under a budget or for an accuracy");
  auto args = std::make_shared<Arguments>();
  add_budget_options(command, *args);
  add_rule_options(command, *args);
  add_image_options(command, *args);
  add_activation_options(command, *args);
  add_output_options(command, *args);
  command.callback([args, command, &outcome] { outcome.exit_status = run(*args, command); });
}

}  // namespace narrow
