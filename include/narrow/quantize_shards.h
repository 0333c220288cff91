// Quantizes a checkpoint whose result has several files, one after the other: a run that was
// stopped is continued, and several processes may share the files.
#pragma once

#include <map>
#include <string>

#include "narrow/checkpoint.h"
#include "narrow/export.h"
#include "narrow/overwrite.h"
#include "narrow/quantize_checkpoint.h"
#include "narrow/quantize_plan.h"
#include "narrow/run_options.h"

namespace narrow {

// Files and numbers are those of quantize_checkpoint with a writer of that format. The result is at
// `output`, of the format kSafetensorsShards, with the files of the reader's checkpoint when that
// has several; `metadata` goes into each file. What is done lies in a hidden folder beside the
// result until that is complete: the same call takes it up, unless it is told Overwrite::kYes,
// which begins anew. Where another process makes the result, what is returned is of no use. Throws
// what quantize_checkpoint throws; Error: kExists for a result that may not be replaced; kUsage
// when nothing was quantized (require_quantized) and, as kUnsupported, for an output that cannot
// be; kIo.
NARROW_EXPORT QuantizeResult quantize_shards(const CheckpointReader& reader,
                                             const QuantizePlan& plan,
                                             const QuantizeOptions& options,
                                             const CheckpointLocation& output, Overwrite overwrite,
                                             const std::map<std::string, std::string>& metadata,
                                             const RunOptionsFor<QuantizeObserver>& run = {});

}  // namespace narrow
