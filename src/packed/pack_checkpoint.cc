#include <utility>

#include "checkpoint/safetensors/safetensors_output.h"
#include "narrow/packed_checkpoint.h"
#include "packed/pack_pipeline.h"
#include "packed/packed_parts.h"

namespace narrow {

double PackedSummary::bits_per_weight() const {
  if (weights == 0) return 0;
  return 8 * static_cast<double>(code_bytes + parameter_bytes) / static_cast<double>(weights);
}

PackedSummary PackedContents::summary() const {
  PackedSummary summary;
  summary.file_bytes = file_bytes;
  for (const PackedTensor& tensor : tensors) {
    ++(tensor.scheme.has_value() ? summary.quantized : summary.unchanged);
    if (tensor.reason != CopyReason::kNone) ++summary.unchanged_by_reason[tensor.reason];
    if (tensor.scheme.has_value()) summary.weights += element_count(tensor.info.shape);
    summary.code_bytes += tensor.code_bytes;
    summary.parameter_bytes += tensor.parameter_bytes;
    summary.unchanged_bytes += tensor.unchanged_bytes;
    summary.input_bytes +=
        tensor.info.dtype == DType::kString ? tensor.unchanged_bytes : tensor.info.byte_size();
  }
  return summary;
}

PackedContents pack_checkpoint(const CheckpointReader& reader, const QuantizePlan& plan,
                               const PackOptions& options, const std::filesystem::path& output,
                               Overwrite overwrite, const RunOptions& run) {
  QuantizePlan finite_plan = plan;
  PackedParts parts(contents_to_pack(reader, options, finite_plan));
  SafetensorsOutput file(output, overwrite, parts.layout().stored, parts.metadata());
  const auto write = [&file](std::size_t index, std::uint64_t offset,
                             std::span<const std::byte> bytes) {
    file.write_at(index, offset, bytes);
  };
  parts.put_padding(write);
  run_pack_pipeline(
      reader, finite_plan, NonFinitePolicy::kError, run.threads,
      [&](QuantizePiece& piece) { parts.put(piece.plan_index, piece, write); },
      [&](std::size_t index, const Digest128& digest) { parts.set_digest(index, digest); },
      run.observer);
  parts.finish();
  parts.contents().file_bytes = file.file_bytes();
  file.finish(parts.metadata());
  return std::move(parts.contents());
}

}  // namespace narrow
