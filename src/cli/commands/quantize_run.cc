#include "cli/commands/quantize_run.h"

#include <algorithm>

#include "narrow/portions.h"
#include "narrow/quantize_recipe.h"
#include "report/quantize_report.h"

namespace narrow {
namespace {

bool is_useless_with_sign(const Scheme& scheme) {
  return scheme.kind == SchemeKind::kFixedPoint && scheme.bits == 1;
}

bool is_useless(const TensorResult& tensor) {
  const auto is_signed = [](const BlockParams& params) { return params.is_signed; };
  return tensor.quantized && is_useless_with_sign(tensor.scheme) &&
         std::ranges::any_of(tensor.params, is_signed);
}

// With the parameters of all blocks where a report or a warning is about them.
QuantizeOptions checkpoint_options(const QuantizePlan& plan, const QuantizeRun& run) {
  QuantizeOptions options = run.options;
  options.all_params = run.with_report || std::ranges::any_of(plan, [](const TensorPlan& tensor) {
                         return tensor.scheme && is_useless_with_sign(*tensor.scheme);
                       });
  return options;
}

}  // namespace

std::vector<std::string> outside_options() {
  return {"--output",     "--format",      "--threads",     "--dry-run",
          "--force",      "--per-tensor",  "--json",        "--save-plan",
          "--export-csv", "--export-html", "--export-json", "--export-markdown"};
}

std::size_t count_quantized(const QuantizePlan& plan) {
  const auto has_scheme = [](const TensorPlan& tensor) { return tensor.scheme.has_value(); };
  return static_cast<std::size_t>(std::ranges::count_if(plan, has_scheme));
}

void require_quantized(const CheckpointReader& reader, const QuantizeSummary& summary) {
  require_quantized(reader, summary.quantized, summary.copied_by_reason);
}

void warn_about_result(const QuantizeResult& result) {
  for (const std::string& sentence : overflow_sentences(result)) print_warning(sentence);
  if (std::ranges::none_of(result.tensors, is_useless)) return;
  print_warning(
      "signed fixed point with 1 bit has no positive code: only 0 and one negative "
      "value remain");
}

std::unique_ptr<CheckpointWriter> create_output(const CheckpointReader& reader,
                                                const QuantizeRun& run) {
  if (run.dry_run) return std::make_unique<NullWriter>();
  return create_checkpoint_like(reader, run.output, run.overwrite);
}

namespace {

QuantizeResult run_in_portions(const CheckpointReader& reader, const QuantizePlan& plan,
                               const QuantizeRun& run, ConsoleObserver& observer) {
  catch_interrupts();
  const QuantizeResult result =
      quantize_portions(reader, plan, checkpoint_options(plan, run), run.output, run.overwrite,
                        reader.metadata(), {run.threads, &observer});
  observer.finish();
  warn_about_result(result);
  return result;
}

}  // namespace

QuantizeResult run_quantization(const CheckpointReader& reader, const QuantizePlan& plan,
                                const QuantizeRun& run) {
  ConsoleObserver observer(run.line_every, count_quantized(plan));
  if (!run.dry_run && should_be_portioned(reader, run.output)) {
    return run_in_portions(reader, plan, run, observer);
  }
  const auto writer = create_output(reader, run);
  catch_interrupts();
  const bool keeps_recipe = !run.dry_run && !run.command.empty() &&
                            reader.location().format == CheckpointFormat::kOnnx &&
                            run.output.format == CheckpointFormat::kOnnx;
  writer->set_metadata(keeps_recipe
                           ? metadata_with_recipe(reader, plan, run.options.non_finite, run.command)
                           : reader.metadata());
  QuantizeResult result = quantize_checkpoint(reader, plan, checkpoint_options(plan, run), *writer,
                                              {run.threads, &observer});
  require_quantized(reader, result.summary);
  writer->finish();
  observer.finish();
  warn_about_result(result);
  return result;
}

}  // namespace narrow
