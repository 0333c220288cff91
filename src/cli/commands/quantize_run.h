// The part that `quantize` and `quantizer` share: run a plan, write the result, report.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "cli/console/console.h"
#include "narrow/quantize_checkpoint.h"

namespace narrow {

struct QuantizeRun {
  std::filesystem::path input;  // what reports name
  CheckpointLocation output;
  QuantizeOptions options;
  int threads = 0;
  Overwrite overwrite = Overwrite::kNo;
  bool dry_run = false;
  bool with_report = true;     // a table and JSON of all tensors
  std::string command;         // that makes the same again, for formats that keep it; may be empty
  std::size_t line_every = 0;  // ConsoleObserver's
};

// The options that change nothing in the result, only where it goes and what is said of it.
std::vector<std::string> outside_options();

// Tensors of the plan that have a scheme.
std::size_t count_quantized(const QuantizePlan& plan);

// Throws Error(kUsage) when nothing was quantized, since NaN and infinite values kept all tensors
// from it.
void require_quantized(const CheckpointReader& reader, const QuantizeSummary& summary);

// Warns on standard error about values that a format cannot represent, and what is legal but
// useless.
void warn_about_result(const QuantizeResult& result);

// A writer of the result, a variant of what `reader` reads; a NullWriter for a dry run.
std::unique_ptr<CheckpointWriter> create_output(const CheckpointReader& reader,
                                                const QuantizeRun& run);

// Quantizes, writes unless it is a dry run, and warns. The result is complete on disk when this
// returns.
QuantizeResult run_quantization(const CheckpointReader& reader, const QuantizePlan& plan,
                                const QuantizeRun& run);

}  // namespace narrow
