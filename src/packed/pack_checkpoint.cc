#include <fmt/format.h>

#include <map>
#include <utility>

#include "base/crc32c.h"
#include "checkpoint/safetensors/safetensors_output.h"
#include "narrow/packed_checkpoint.h"
#include "packed/code_joiner.h"
#include "packed/pack_pipeline.h"
#include "packed/packed_layout.h"
#include "packed/packed_metadata.h"
#include "packed/stored_params.h"

namespace narrow {
namespace {

// The last stage of packing: every stored tensor is written front to back, but they alternate.
class PackedWriter {
 public:
  PackedWriter(PackedContents contents, const std::filesystem::path& path, Overwrite overwrite)
      : contents_(std::move(contents)),
        layout_(packed_layout(contents_.tensors)),
        written_(layout_.stored.size()),
        output_(path, overwrite, layout_.stored, metadata()) {
    if (layout_.padding.has_value()) {
      const std::uint64_t size = layout_.stored[*layout_.padding].byte_size();
      append(*layout_.padding, std::vector<std::byte>(size));
    }
  }

  void put(QuantizePiece& piece) {
    PackedTensor& tensor = contents_.tensors[piece.plan_index];
    if (piece.quantizer != nullptr) tensor.clipped_blocks = piece.quantizer->clipped_blocks();
    tensor.overflowed += piece.errors.overflowed;
    for (const StoredPart& stored : layout_.parts[piece.plan_index]) {
      switch (stored.part) {
        case PackedPart::kUnchanged:
        case PackedPart::kRaw:
          append(stored.stored, piece.bytes);
          break;
        case PackedPart::kCodes:
          append(stored.stored, joiner_.add(piece, tensor).bytes);
          break;
        default:
          append(stored.stored, params_to_bytes(stored.part, piece.params));
      }
    }
  }

  // Everything has been put; `digest` is that of the checkpoint.
  PackedContents finish(std::string digest) {
    contents_.input_digest = std::move(digest);
    contents_.file_bytes = output_.file_bytes();
    output_.finish(metadata());
    return std::move(contents_);
  }

 private:
  struct Written {
    std::uint64_t bytes = 0;
    std::uint32_t crc = 0;
  };

  [[nodiscard]] std::map<std::string, std::string> metadata() const {
    StoredChecksums checksums;
    for (std::size_t i = 0; i < written_.size(); ++i) {
      checksums[layout_.stored[i].name] = written_[i].crc;
    }
    return packed_metadata(contents_, checksums);
  }

  void append(std::size_t index, std::span<const std::byte> bytes) {
    if (bytes.empty()) return;
    Written& written = written_[index];
    output_.write_at(index, written.bytes, bytes);
    written.crc = extend_crc32c(written.crc, bytes);
    written.bytes += bytes.size();
  }

  PackedContents contents_;
  PackedLayout layout_;
  std::vector<Written> written_;
  SafetensorsOutput output_;
  CodeJoiner joiner_;
};

}  // namespace

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
  PackedContents contents = planned_contents(reader, plan, options.non_finite);
  const PackedSummary planned = contents.summary();
  require_quantized(reader, planned.quantized, planned.unchanged_by_reason);
  contents.input_digest.assign(kDigestDigits, '0');
  QuantizePlan finite_plan = plan;
  for (std::size_t i = 0; i < plan.size(); ++i) finite_plan[i].scheme = contents.tensors[i].scheme;
  PackedWriter writer(std::move(contents), output, overwrite);
  std::string digest = run_pack_pipeline(
      reader, finite_plan, NonFinitePolicy::kError, run.threads,
      [&](QuantizePiece& piece) { writer.put(piece); }, run.observer);
  return writer.finish(std::move(digest));
}

}  // namespace narrow
