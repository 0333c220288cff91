// Quantizes and restores the tensors of a checkpoint and measures what it cost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "narrow/checkpoint.h"
#include "narrow/quantize_plan.h"
#include "narrow/scheme.h"

namespace narrow {

struct QuantizeOptions {
  NonFinitePolicy non_finite = NonFinitePolicy::kError;
  int threads = 0;               // 0: all available cores; every number gives the same bytes
  bool code_statistics = false;  // count codes: codes_used and entropy_bits of widths up to 16
};

struct QuantizeResult {
  std::vector<TensorResult> tensors;  // in the order of the plan
  QuantizeSummary summary;
};

// Told about progress from one thread at a time. Every function may throw to stop the run.
class QuantizeObserver {
 public:
  virtual ~QuantizeObserver() = default;
  virtual void on_tensor(const TensorResult& /*result*/, std::size_t /*done*/,
                         std::size_t /*total*/) {}
  virtual void on_bytes(std::uint64_t /*done*/, std::uint64_t /*total*/) {}
};

// Runs the plan: reads, quantizes, restores and writes in overlapping stages whose memory does not
// grow with the checkpoint. `writer` null: nothing is written (dry run); otherwise it gets every
// tensor of the plan and the caller calls finish(). Results are identical for every thread count.
// Throws Error: kNumeric for NaN or infinite values under NonFinitePolicy::kError, kCorrupt and kIo
// from reader and writer.
QuantizeResult quantize_checkpoint(const CheckpointReader& reader, const QuantizePlan& plan,
                                   const QuantizeOptions& options, CheckpointWriter* writer,
                                   QuantizeObserver* observer);

// Where a result goes. `output` as typed (empty: directory `default_directory` beside the input): a
// directory (existing, or ending in '/') means the input's base name in it; otherwise it is the
// prefix (TensorFlow) or file. `format` kTensorFlowV1 stands for kTensorFlowV2.
// Throws Error(kUsage) when that is the input itself.
CheckpointLocation output_location(const CheckpointLocation& input, CheckpointFormat format,
                                   const std::string& output, const std::string& default_directory);

// "bin_8bits", "fixed-point_8bits": the default output directory. What is not the default of a
// scheme follows, so that different recipes do not meet: "fixed-point_8bits_decimal",
// "bin_4bits_channel_mse", "bin_4bits_group64_percentile99.9".
std::string result_directory_name(const Scheme& scheme);

}  // namespace narrow
