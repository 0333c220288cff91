#include "cli/options/plan_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/utf8.h"
#include "cli/options/axis_options.h"
#include "cli/options/common_options.h"
#include "cli/options/output_location.h"
#include "cli/options/plan_arguments.h"
#include "cli/options/tensor_options.h"
#include "narrow/error.h"
#include "narrow/plan.h"
#include "narrow/scheme_rules.h"

namespace narrow {
namespace {

bool has_rules(const PlanOptions& options) {
  return !options.rules.empty() || !options.rule_file.empty();
}

// What the options say of every tensor; with rules that may be less than a scheme.
PartialScheme base_of(const PlanOptions& options) {
  PartialScheme base;
  base.has_kind = options.scheme.has_kind();
  base.has_bits = options.bits != 0 || options.scheme.format.gives_bits();
  Scheme& scheme = base.scheme;
  scheme = options.scheme.scheme(options.bits);
  if (base.has_kind && scheme.kind != SchemeKind::kFixedPoint &&
      scheme.scaling == Scaling::kDecimal && !has_rules(options)) {
    throw Error(ErrorCategory::kUsage, "--scaling decimal is for --scheme fixed-point");
  }
  if (!base.has_bits) scheme.bits = Scheme().bits;
  return base;
}

std::string title_of(const Scheme& scheme) {
  std::string title = fmt::format("{}, {} bits", to_string(scheme.kind), scheme.bits);
  if (has_format(scheme)) title += ", " + to_text(scheme.format, scheme.bits);
  if (scheme.range == Range()) return title;
  return fmt::format("{}, range {}", title, to_string(scheme.range));
}

std::vector<SchemeRule> rules_of(const PlanOptions& options) {
  std::vector<SchemeRule> rules;
  for (const std::string& text : options.rules) rules.push_back(parse_scheme_rule(text));
  if (options.rule_file.empty()) return rules;
  for (SchemeRule& rule : read_scheme_rules(options.rule_file)) rules.push_back(std::move(rule));
  return rules;
}

NamedPlan plan_of_rules(const PlanOptions& options, const CheckpointReader& reader,
                        const AxisRules& axes) {
  const PartialScheme base = base_of(options);
  const std::vector<SchemeRule> rules = rules_of(options);
  if (rules.empty() && !base.is_complete()) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} holds no rule, and --scheme and --bits are not both given",
                            options.rule_file));
  }
  NamedPlan named;
  named.plan = make_rule_plan(reader, rules, base, options.selection, axes);
  named.title = "rules";
  named.directory = "rules";
  if (base.is_complete()) {
    named.title = fmt::format("{}, and rules", title_of(base.scheme));
    named.directory = result_directory_name(base.scheme) + "_rules";
  } else if (options.rules.empty()) {
    named.directory = std::filesystem::path(options.rule_file).stem().string();
  }
  return named;
}

// Says of which tensors the channels are not certain.
void tell_axis_doubts(const QuantizePlan& plan, const CheckpointReader& reader,
                      const AxisRules& axes) {
  const CheckpointFormat format = reader.location().format;
  AxisDoubts doubts(format, axes);
  for (const TensorPlan& tensor : plan) {
    if (!tensor.scheme) continue;
    const TensorInfo& info = reader.tensors()[tensor.index];
    // Without axes where nobody named them.
    Scheme given = *tensor.scheme;
    given.granularity.axis.reset();
    given.granularity.axis_count = 1;
    const bool is_named = with_channel_axes(given, info, format, axes) != *tensor.scheme;
    doubts.add(is_named ? *tensor.scheme : given, info);
  }
  doubts.tell();
}

void add_rule_options(Command& command, PlanOptions& options) {
  add_repeatable_option(command, "--rule", options.rules, "RULE",
                        "'GLOB: bits=4 scheme=symmetric granularity=channel range=mse axis=0' or\n"
                        "'GLOB: keep'; the first that matches counts, the other options are\n"
                        "for what it does not say and for tensors without a rule");
  command.add_option("--rules", options.rule_file, "more rules, a line each").type_name("FILE");
  command
      .add_option("--save-plan", options.saved_plan,
                  "write what becomes of each tensor, for --plan; with --dry-run nothing else")
      .type_name("FILE.json");
}

std::string scheme_footer() {
  return std::string(
             "Schemes: bin          2^B equal bins from minimum to maximum, restored to the "
             "centre\n"
             "         fixed-point  integer times a power of two (Qm.n)\n"
             "         affine       scale and zero point, range widened to contain 0\n"
             "         symmetric    scale only\n"
             "         codebook     2^B levels where they cost least (Lloyd-Max), up to 8 bits\n"
             "Ranges:  minmax       all values of a block\n"
             "         percentile:P without the lowest and highest 100-P percent\n"
             "         mse          the one with the least squared error, found by search\n"
             "         aciq         closed form for Gaussian or Laplacian values\n") +
         std::string(kFormatFooter) +
         "Codebooks and ranges other than minmax keep one whole tensor in memory.\n"
         "Training state (optimizer slots, moving statistics and averages, counters) is copied "
         "unless\n"
         "a pattern names it.";
}

}  // namespace

void add_plan_options(Command& command, PlanOptions& options) {
  add_kind_option(command, options.scheme, "what a value becomes: see below");
  command.add_option("-b,--bits", options.bits, "width of a code, 1 to 32").in_range(1, 32);
  add_block_options(command, options.scheme);
  add_given_format_options(command, options.scheme.format);
  add_mode_options(command, options.scheme.format);
  add_repeatable_option(command, "--include", options.selection.include, "GLOB",
                        "quantize tensors of this GLOB only");
  add_repeatable_option(command, "--exclude", options.selection.exclude, "GLOB",
                        "copy tensors of this GLOB");
  add_moving_averages_option(command, options.selection.moving_averages);
  add_rule_options(command, options);
  Option plan = command
                    .add_option("--plan", options.plan,
                                "instead of all these: schemes and widths that narrow plan chose")
                    .type_name("FILE.json");
  for (const char* name :
       {"--scheme", "--bits", "--granularity", "--axis", "--scaling", "--range", "--q",
        "--ap-fixed", "--fraction-bits", "--signed", "--round-mode", "--overflow", "--include",
        "--exclude", "--moving_averages", "--rule", "--rules"}) {
    plan.excludes(command.get_option(name));
  }
  add_non_finite_option(command, options.non_finite);
  add_cast_option(command, options.cast);
  command.footer(scheme_footer());
}

bool has_plan(const PlanOptions& options) {
  return !options.plan.empty() || options.scheme.has_kind() || options.bits != 0 ||
         has_rules(options);
}

std::filesystem::path plan_path(const PlanOptions& options) {
  return options.plan == "-" ? "/dev/stdin" : options.plan;
}

namespace {

NamedPlan typed_plan(const PlanOptions& options, const CheckpointReader& reader) {
  if (!options.plan.empty()) {
    const std::filesystem::path path = plan_path(options);
    const std::string text = options.plan_text.empty() ? read_plan_text(path) : options.plan_text;
    return {make_plan(parse_plan_file(text, path.string()), reader), path.stem().string(),
            fmt::format("plan {}", options.plan)};
  }
  const AxisRules axes = axis_rules(options.scheme.axes);
  const PartialScheme base = base_of(options);
  if (!base.is_complete() && !has_rules(options)) {
    throw Error(ErrorCategory::kUsage, "--scheme and --bits are needed, or --rule, or --plan");
  }
  NamedPlan named = has_rules(options)
                        ? plan_of_rules(options, reader, axes)
                        : NamedPlan{make_plan(reader, base.scheme, options.selection, axes),
                                    result_directory_name(base.scheme), title_of(base.scheme)};
  const auto has_channels = [](const TensorPlan& tensor) {
    return tensor.scheme && tensor.scheme->granularity.kind == Granularity::Kind::kChannel;
  };
  if (std::ranges::none_of(named.plan, has_channels)) require_no_axes(options.scheme.axes);
  tell_axis_doubts(named.plan, reader, axes);
  return named;
}

}  // namespace

NamedPlan named_plan(const PlanOptions& options, const CheckpointReader& reader) {
  NamedPlan named = typed_plan(options, reader);
  require_names_to_save(options, reader, named.plan);
  return named;
}

void require_names_to_save(const PlanOptions& options, const CheckpointReader& reader,
                           const QuantizePlan& plan) {
  if (options.saved_plan.empty()) return;
  for (const TensorPlan& tensor : plan) {
    if (tensor.scheme) require_name_for_plan(reader.tensors()[tensor.index]);
  }
}

SavedPlan::SavedPlan(const PlanOptions& options, bool force) : path_(options.saved_plan) {
  if (!path_.empty()) file_.emplace(path_, overwrite_of(force), "--save-plan");
}

void SavedPlan::write(const CheckpointReader& reader, const QuantizePlan& plan) {
  if (file_) file_->write(plan_file_text(reader, plan));
}

std::string SavedPlan::text() const {
  return file_ && file_->is_file() ? fmt::format("plan: {}\n", shown(path_)) : "";
}

}  // namespace narrow
