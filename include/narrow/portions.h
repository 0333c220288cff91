// Results that are made in portions, consecutive tensors of one file: a run that was stopped is
// continued by the same call, and several processes may share the portions, those of one file too.
//
// What is done lies in a hidden folder beside the result until that is complete. The same call
// takes it up, unless it is told Overwrite::kYes, which begins anew; what is there of another call
// goes when the result is complete. Files and numbers are those of the jobs that take a writer.
// Where another process makes the result, what is returned is of no use.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "narrow/checkpoint.h"
#include "narrow/convert_checkpoint.h"
#include "narrow/export.h"
#include "narrow/overwrite.h"
#include "narrow/packed_checkpoint.h"
#include "narrow/quantize_checkpoint.h"
#include "narrow/quantize_plan.h"
#include "narrow/run_options.h"

namespace narrow {

// Whether results of the format can be: safetensors, in one file or several, and TensorFlow V2.
NARROW_EXPORT bool can_be_portioned(CheckpointFormat format);

// Whether a result of what `reader` reads should be, if it can: it has several files, the input has
// more than 1 GiB, several processes share the work, or an earlier run has left portions of it.
NARROW_EXPORT bool should_be_portioned(const CheckpointReader& reader,
                                       const CheckpointLocation& output);

// quantize_checkpoint into `output`; of a checkpoint in several files the result has the same ones.
// `metadata` goes into each file. Throws what quantize_checkpoint throws; Error: kExists for a
// result that may not be replaced; kUsage when nothing was quantized (require_quantized) and, as
// kUnsupported, for an output that cannot be; kIo.
NARROW_EXPORT QuantizeResult quantize_portions(const CheckpointReader& reader,
                                               const QuantizePlan& plan,
                                               const QuantizeOptions& options,
                                               const CheckpointLocation& output,
                                               Overwrite overwrite,
                                               const std::map<std::string, std::string>& metadata,
                                               const RunOptionsFor<QuantizeObserver>& run = {});

// convert_checkpoint, likewise.
NARROW_EXPORT std::uint64_t convert_portions(const CheckpointReader& reader,
                                             const ConvertPlan& plan,
                                             const CheckpointLocation& output, Overwrite overwrite,
                                             const std::map<std::string, std::string>& metadata,
                                             const RunOptions& run = {});

// pack_checkpoint, likewise. With NonFinitePolicy::kKeep ranks share the pass that looks for NaN
// and infinite values; each part of a job makes all of it.
NARROW_EXPORT PackedContents pack_portions(const CheckpointReader& reader, const QuantizePlan& plan,
                                           const PackOptions& options,
                                           const std::filesystem::path& output, Overwrite overwrite,
                                           const RunOptions& run = {});

}  // namespace narrow
