#include "cli/quantize_run.h"

#include <algorithm>

namespace narrow {
namespace {

bool is_useless(const TensorResult& tensor) {
  const auto is_signed = [](const BlockParams& params) { return params.is_signed; };
  return tensor.quantized && tensor.scheme.kind == SchemeKind::kFixedPoint &&
         tensor.scheme.bits == 1 && std::ranges::any_of(tensor.params, is_signed);
}

}  // namespace

QuantizeResult run_quantization(const CheckpointReader& reader, const QuantizePlan& plan,
                                const QuantizeRun& run) {
  const auto has_scheme = [](const TensorPlan& tensor) { return tensor.scheme.has_value(); };
  ConsoleObserver observer(run.line_every,
                           static_cast<std::size_t>(std::ranges::count_if(plan, has_scheme)));
  std::unique_ptr<CheckpointWriter> writer;
  if (!run.dry_run) {
    writer = create_checkpoint(run.output, run.overwrite);
    writer->set_metadata(reader.metadata());
  }
  catch_interrupts();
  QuantizeResult result = quantize_checkpoint(reader, plan, run.options, writer.get(), &observer);
  if (writer != nullptr) writer->finish();
  observer.finish();
  if (std::ranges::any_of(result.tensors, is_useless)) {
    print_warning(
        "signed fixed point with 1 bit has no positive code: only 0 and one negative "
        "value remain");
  }
  return result;
}

}  // namespace narrow
