#include "cli/arguments/method_options.h"

#include <fmt/format.h>

#include <filesystem>

#include "narrow/error.h"
#include "narrow/plan.h"

namespace narrow {
namespace {

Scheme scheme_of(const MethodOptions& options) {
  Scheme scheme;
  scheme.kind = parse_scheme_kind(options.scheme);
  scheme.bits = options.bits;
  scheme.scaling = options.scaling == "decimal" ? Scaling::kDecimal : Scaling::kBinary;
  scheme.granularity = parse_granularity(options.granularity);
  scheme.granularity.axis = options.axis;
  return scheme;
}

void add_patterns(CLI::App& command, const char* name, std::vector<std::string>& patterns,
                  const char* help) {
  command.add_option(name, patterns, help)
      ->type_name("GLOB")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

}  // namespace

void add_method_options(CLI::App& command, MethodOptions& options) {
  command.add_option("--scheme", options.scheme, "what a value becomes: see below")
      ->check(CLI::IsMember({"bin", "fixed-point", "affine", "symmetric"}));
  command.add_option("-b,--bits", options.bits, "width of a code, 1 to 32")
      ->check(CLI::Range(1, 32));
  command.add_option("--granularity", options.granularity,
                     "values that share one range: tensor, channel or group:G");
  command.add_option("--axis", options.axis,
                     "channel axis, negative from the last; default 0 for safetensors, else -1");
  command.add_option("--scaling", options.scaling, "of fixed-point: binary (Qm.n) or decimal")
      ->check(CLI::IsMember({"binary", "decimal"}));
  add_patterns(command, "--include", options.selection.include,
               "quantize tensors of this GLOB only");
  add_patterns(command, "--exclude", options.selection.exclude, "copy tensors of this GLOB");
  CLI::Option* plan =
      command
          .add_option("--plan", options.plan,
                      "instead of all these: schemes and widths that narrow plan chose")
          ->type_name("FILE.json");
  for (const char* name :
       {"--scheme", "--bits", "--granularity", "--axis", "--scaling", "--include", "--exclude"}) {
    plan->excludes(command.get_option(name));
  }
  command
      .add_option("--nonfinite", options.non_finite,
                  "tensors with NaN or infinity: error, or keep them unchanged")
      ->check(CLI::IsMember({"error", "keep"}));
  command.footer(
      "Schemes: bin          2^B equal bins from minimum to maximum, restored to the centre\n"
      "         fixed-point  integer times a power of two (Qm.n)\n"
      "         affine       scale and zero point, range widened to contain 0\n"
      "         symmetric    scale only\n"
      "Moving averages, optimizer slots and global_step are copied unless a pattern names them.");
}

bool has_method(const MethodOptions& options) {
  return !options.plan.empty() || !options.scheme.empty() || options.bits != 0;
}

Method method_of(const MethodOptions& options, const CheckpointReader& reader) {
  if (options.plan.empty() && (options.scheme.empty() || options.bits == 0)) {
    throw Error(ErrorCategory::kUsage, "--scheme and --bits are needed, or --plan");
  }
  if (!options.plan.empty()) {
    const std::filesystem::path path = options.plan;
    return {quantize_plan(read_plan_file(path), reader), path.stem().string(),
            fmt::format("plan {}", options.plan)};
  }
  const Scheme scheme = scheme_of(options);
  return {make_plan(reader, scheme, options.selection), result_directory_name(scheme),
          fmt::format("{}, {} bits", options.scheme, options.bits)};
}

}  // namespace narrow
