// What every scheme costs: all tensors of a checkpoint under many schemes in one pass over it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "narrow/channel_axes.h"
#include "narrow/checkpoint.h"
#include "narrow/error_summary.h"
#include "narrow/export.h"
#include "narrow/quantize_plan.h"
#include "narrow/run_options.h"
#include "narrow/scheme.h"
#include "narrow/selection.h"

namespace narrow {

// One tensor under one scheme.
struct SchemeCost {
  ErrorSums errors;
  std::uint64_t blocks = 0;
  std::uint64_t clipped_blocks = 0;  // with BlockParams::clips
  std::uint64_t code_bits = 0;       // whole bytes: elements * width, rounded up
  std::uint64_t parameter_bits = 0;  // of all blocks, as the packed format stores them

  [[nodiscard]] std::uint64_t bits() const { return code_bits + parameter_bits; }
};

// Of the values of a tensor.
struct NARROW_EXPORT ValueSpread {
  float minimum = 0;
  float maximum = 0;
  double root_mean_square = 0;

  // The largest magnitude over the root mean square: some 5 for a million values of a normal
  // distribution, more where there are outliers. 0 when all values are 0.
  [[nodiscard]] double peak() const;
};

struct TensorSweep {
  std::size_t index = 0;  // in CheckpointReader::tensors()
  TensorInfo info;
  std::uint64_t non_finite = 0;   // > 0: not measured for so many NaN or infinite values
  ValueSpread spread = {};        // where measured
  std::vector<SchemeCost> costs;  // one a scheme, in their order; empty when not measured
  // That schemes with channels took; none for rank 0 and 1, and where no scheme has channels.
  std::optional<ChannelAxes> channel_axes = {};
  // Of its values, as checkpoint_digest takes them: with SweepOptions::digests, where measured.
  std::optional<std::array<std::uint8_t, 16>> digest = {};
};

// All measured tensors under one scheme.
struct NARROW_EXPORT SchemeSummary {
  ErrorSummary errors;
  std::uint64_t elements = 0;
  std::uint64_t bits = 0;         // stored, parameters included
  std::uint64_t input_bytes = 0;  // of the same tensors as they are in the checkpoint

  [[nodiscard]] std::uint64_t bytes() const { return bits / 8; }
  [[nodiscard]] double bits_per_weight() const;
  // input_bytes / bytes().
  [[nodiscard]] double ratio() const;
};

struct NARROW_EXPORT SweepResult {
  std::vector<Scheme> schemes;
  std::vector<TensorSweep> tensors;  // the selected ones in the order asked for
  std::uint64_t copied = 0;          // tensors of the checkpoint that are not measured
  std::uint64_t copied_bytes = 0;
  double seconds = 0;

  [[nodiscard]] SchemeSummary summary(std::size_t scheme) const;
};

struct SweepOptions {
  NonFinitePolicy non_finite = NonFinitePolicy::kError;
  AxisRules axes = {};   // of channels, for schemes that name none
  bool digests = false;  // of tensors, which takes no further pass over the checkpoint
};

// The positions of the selected tensors; the others are counted in `copied` unless it is null.
// Throws what copy_reasons and require_quantized throw.
NARROW_EXPORT std::vector<std::size_t> selected_indices(const CheckpointReader& reader,
                                                        const Selection& selection,
                                                        CopyCounts* copied = nullptr);

// Measures the tensors at `indices` under every scheme: the numbers of quantize_checkpoint, to the
// bit. Tensors are read one after another, ranges are found once for all widths that share them,
// and memory does not grow with the checkpoint. Every number of threads gives the same result.
// Progress is in bytes of these tensors that all schemes have gone over.
// Throws Error: kUsage for an invalid scheme or none; kNumeric for NaN or infinite values under
// NonFinitePolicy::kError; kInterrupted; kCorrupt and kIo from the reader.
NARROW_EXPORT SweepResult sweep_errors(const CheckpointReader& reader,
                                       std::span<const std::size_t> indices,
                                       std::span<const Scheme> schemes, const SweepOptions& options,
                                       const RunOptions& run = {});

}  // namespace narrow
