#include "narrow/portions.h"

#include "base/exchange.h"
#include "tasks/portions/unfinished_files.h"

namespace narrow {
namespace {

// Below this a run that was stopped is soon done again.
constexpr std::uint64_t kLargeBytes = std::uint64_t{1} << 30;

}  // namespace

bool can_be_portioned(CheckpointFormat format) {
  return format == CheckpointFormat::kSafetensors ||
         format == CheckpointFormat::kSafetensorsShards ||
         format == CheckpointFormat::kTensorFlowV2;
}

bool should_be_portioned(const CheckpointReader& reader, const CheckpointLocation& output) {
  if (!can_be_portioned(output.format)) return false;
  if (output.format == CheckpointFormat::kSafetensorsShards || !exchange().is_alone()) return true;
  std::uint64_t bytes = 0;
  for (const TensorInfo& info : reader.tensors()) bytes += info.byte_size();
  return bytes > kLargeBytes || UnfinishedFiles(output.path).exist();
}

}  // namespace narrow
