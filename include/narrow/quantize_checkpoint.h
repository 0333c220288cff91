// Quantizes and restores the tensors of a checkpoint and measures what it cost.
#pragma once

#include <cstddef>
#include <vector>

#include "narrow/checkpoint.h"
#include "narrow/export.h"
#include "narrow/quantize_plan.h"
#include "narrow/run_options.h"

namespace narrow {

struct QuantizeOptions {
  NonFinitePolicy non_finite = NonFinitePolicy::kError;
  // Without it TensorResult::params has those of the first block only: of many blocks they take
  // much memory.
  bool all_params = true;
  bool code_statistics = false;  // count codes: codes_used and entropy_bits of widths up to 16
};

struct QuantizeResult {
  std::vector<TensorResult> tensors;  // in the order of the plan
  QuantizeSummary summary;
};

// Progress is in bytes of tensor values.
class NARROW_EXPORT QuantizeObserver : public Observer {
 public:
  // A tensor is done, `done` of `total` of the plan; after the progress with its last bytes.
  virtual void on_tensor(const TensorResult& /*result*/, std::size_t /*done*/,
                         std::size_t /*total*/) {}
};

// Runs the plan: reads, quantizes, restores and writes in overlapping stages whose memory does not
// grow with the checkpoint. `writer` gets every tensor of the plan and the caller calls finish(); a
// NullWriter makes it a dry run. Every number of threads gives the same bytes and results.
// Throws Error: kNumeric for NaN or infinite values under NonFinitePolicy::kError; kInterrupted;
// kCorrupt and kIo from reader and writer.
NARROW_EXPORT QuantizeResult quantize_checkpoint(const CheckpointReader& reader,
                                                 const QuantizePlan& plan,
                                                 const QuantizeOptions& options,
                                                 CheckpointWriter& writer,
                                                 const RunOptionsFor<QuantizeObserver>& run = {});

}  // namespace narrow
