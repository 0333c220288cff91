#include "cli/arguments/method_options.h"

#include <fmt/format.h>

#include <filesystem>

#include "cli/arguments/axis_options.h"
#include "cli/arguments/tensor_options.h"
#include "narrow/error.h"
#include "narrow/plan.h"

namespace narrow {
namespace {

Scheme scheme_of(const MethodOptions& options) {
  Scheme scheme;
  // Formats are of fixed point, which need not be said.
  scheme.kind =
      options.scheme.empty() ? SchemeKind::kFixedPoint : parse_scheme_kind(options.scheme);
  scheme.bits = options.bits;
  scheme.scaling = options.scaling == "decimal" ? Scaling::kDecimal : Scaling::kBinary;
  scheme.granularity = parse_granularity(options.granularity);
  scheme.range = parse_range(options.range);
  apply_format(options.format, scheme);
  return scheme;
}

std::string title_of(const Scheme& scheme) {
  std::string title = fmt::format("{}, {} bits", to_string(scheme.kind), scheme.bits);
  if (has_format(scheme)) title += ", " + to_text(scheme.format, scheme.bits);
  if (scheme.range == Range()) return title;
  return fmt::format("{}, range {}", title, to_string(scheme.range));
}

void add_patterns(Command& command, const char* name, std::vector<std::string>& patterns,
                  const char* help) {
  command.add_option(name, patterns, help).type_name("GLOB").expected(1).take_all();
}

}  // namespace

void add_method_options(Command& command, MethodOptions& options) {
  command.add_option("--scheme", options.scheme, "what a value becomes: see below")
      .one_of({"bin", "fixed-point", "affine", "symmetric", "codebook"});
  command.add_option("-b,--bits", options.bits, "width of a code, 1 to 32").in_range(1, 32);
  command.add_option("--granularity", options.granularity,
                     "values that share one range: tensor, channel or group:G");
  add_axis_option(command, options.axes);
  command.add_option("--scaling", options.scaling, "of fixed-point: binary (Qm.n) or decimal")
      .one_of({"binary", "decimal"});
  command.add_option("--range", options.range,
                     "values that codes hold: minmax, percentile:P, mse or aciq");
  add_given_format_options(command, options.format);
  add_mode_options(command, options.format);
  add_patterns(command, "--include", options.selection.include,
               "quantize tensors of this GLOB only");
  add_patterns(command, "--exclude", options.selection.exclude, "copy tensors of this GLOB");
  add_moving_averages_option(command, options.selection.moving_averages);
  Option plan = command
                    .add_option("--plan", options.plan,
                                "instead of all these: schemes and widths that narrow plan chose")
                    .type_name("FILE.json");
  for (const char* name : {"--scheme", "--bits", "--granularity", "--axis", "--scaling", "--range",
                           "--q", "--ap-fixed", "--fraction-bits", "--signed", "--round-mode",
                           "--overflow", "--include", "--exclude", "--moving_averages"}) {
    plan.excludes(command.get_option(name));
  }
  command
      .add_option("--nonfinite", options.non_finite,
                  "tensors with NaN or infinity: error, or keep them unchanged")
      .one_of({"error", "keep"});
  add_cast_option(command, options.cast);
  command.footer(
      std::string(
          "Schemes: bin          2^B equal bins from minimum to maximum, restored to the centre\n"
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
      "a pattern names it.");
}

bool has_method(const MethodOptions& options) {
  return !options.plan.empty() || !options.scheme.empty() || options.bits != 0 ||
         options.format.any();
}

Method method_of(const MethodOptions& options, const CheckpointReader& reader) {
  const bool has_scheme = !options.scheme.empty() || options.format.any();
  const bool has_bits = options.bits != 0 || options.format.gives_bits();
  if (options.plan.empty() && !(has_scheme && has_bits)) {
    throw Error(ErrorCategory::kUsage, "--scheme and --bits are needed, or --plan");
  }
  if (!options.plan.empty()) {
    const std::filesystem::path path = options.plan == "-" ? "/dev/stdin" : options.plan;
    return {quantize_plan(read_plan_file(path), reader), path.stem().string(),
            fmt::format("plan {}", options.plan)};
  }
  const Scheme scheme = scheme_of(options);
  const AxisRules axes = axis_rules(options.axes);
  Method method{make_plan(reader, scheme, options.selection, axes), result_directory_name(scheme),
                title_of(scheme)};
  AxisDoubts doubts(reader.location().format, axes);
  for (const TensorPlan& tensor : method.plan) {
    if (tensor.scheme) doubts.add(scheme, reader.tensors()[tensor.index]);
  }
  doubts.tell();
  return method;
}

}  // namespace narrow
