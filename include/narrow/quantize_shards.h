// Quantizes a checkpoint whose result has several files, one after the other: a run that was
// stopped is continued, and several processes may share the files.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "narrow/checkpoint.h"
#include "narrow/export.h"
#include "narrow/overwrite.h"
#include "narrow/quantize_checkpoint.h"
#include "narrow/quantize_plan.h"
#include "narrow/run_options.h"

namespace narrow {

// Files that are done lie in a hidden folder beside the result, with a journal of what is known of
// their tensors. Whoever does the same again, with the same input, plan and options, takes them up;
// they are gone when the result is in place.
class NARROW_EXPORT ShardedQuantization {
 public:
  // The result is at `output`, of the format kSafetensorsShards; its files are those of the
  // reader's checkpoint when that has several. `metadata` goes into each. Overwrite::kYes also
  // begins anew what a run has left. Throws Error: kExists for a result that may not be replaced;
  // kUsage and kUnsupported for an output that cannot be; kIo.
  ShardedQuantization(const CheckpointReader& reader, const QuantizePlan& plan,
                      const QuantizeOptions& options, const CheckpointLocation& output,
                      Overwrite overwrite, std::map<std::string, std::string> metadata);
  ~ShardedQuantization();
  ShardedQuantization(const ShardedQuantization&) = delete;
  ShardedQuantization& operator=(const ShardedQuantization&) = delete;

  // Makes the files that are missing, or the share of this process. The result and the errors are
  // those of quantize_checkpoint; where another process makes the result, they are of no use.
  QuantizeResult run(const RunOptionsFor<QuantizeObserver>& run = {});
  // After run(): puts files and index in place. Throws Error(kIo), Error(kExists).
  void finish();

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace narrow
