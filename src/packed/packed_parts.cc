#include "packed/packed_parts.h"

#include <utility>

#include "base/byte_record.h"
#include "base/crc32c.h"
#include "packed/pack_pipeline.h"
#include "packed/packed_metadata.h"
#include "packed/stored_params.h"

namespace narrow {

PackedParts::PackedParts(PackedContents contents)
    : contents_(std::move(contents)),
      layout_(packed_layout(contents_.tensors)),
      written_(layout_.stored.size()),
      digests_(contents_.tensors.size()) {}

std::map<std::string, std::string> PackedParts::metadata() const {
  StoredChecksums checksums;
  for (std::size_t i = 0; i < written_.size(); ++i) {
    checksums[layout_.stored[i].name] = written_[i].crc;
  }
  return packed_metadata(contents_, checksums);
}

void PackedParts::put_padding(const WriteAt& write) {
  if (!layout_.padding) return;
  const std::uint64_t size = layout_.stored[*layout_.padding].byte_size();
  append(*layout_.padding, std::vector<std::byte>(size), write);
}

void PackedParts::put(std::size_t tensor, QuantizePiece& piece, const WriteAt& write) {
  PackedTensor& packed = contents_.tensors[tensor];
  if (piece.quantizer != nullptr) packed.clipped_blocks = piece.quantizer->clipped_blocks();
  packed.overflowed += piece.errors.overflowed;
  for (const StoredPart& stored : layout_.parts[tensor]) {
    switch (stored.part) {
      case PackedPart::kUnchanged:
      case PackedPart::kRaw:
        append(stored.stored, piece.bytes, write);
        break;
      case PackedPart::kCodes:
        append(stored.stored, joiner_.add(piece, packed).bytes, write);
        break;
      default:
        append(stored.stored, params_to_bytes(stored.part, piece.params), write);
    }
  }
}

void PackedParts::append(std::size_t index, std::span<const std::byte> bytes,
                         const WriteAt& write) {
  if (bytes.empty()) return;
  Written& written = written_[index];
  write(index, written.bytes, bytes);
  written.crc = extend_crc32c(written.crc, bytes);
  written.bytes += bytes.size();
}

void PackedParts::finish() {
  ContentDigest digest;
  for (std::size_t i = 0; i < digests_.size(); ++i) {
    digest.add(contents_.tensors[i].info, digests_[i]);
  }
  contents_.input_digest = digest.text();
}

std::vector<std::byte> PackedParts::notes(std::size_t tensor) const {
  ByteRecord record;
  record.put(contents_.tensors[tensor].clipped_blocks);
  record.put(contents_.tensors[tensor].overflowed);
  record.put(digests_[tensor]);
  for (const StoredPart& part : layout_.parts[tensor]) record.put(written_[part.stored].crc);
  return record.take();
}

void PackedParts::take(std::size_t tensor, std::span<const std::byte> notes) {
  ByteRecordReader record(notes, "the journal");
  contents_.tensors[tensor].clipped_blocks = record.take<std::uint64_t>();
  contents_.tensors[tensor].overflowed = record.take<std::uint64_t>();
  digests_[tensor] = record.take<Digest128>();
  for (const StoredPart& part : layout_.parts[tensor]) {
    written_[part.stored].crc = record.take<std::uint32_t>();
  }
}

PackedContents contents_to_pack(const CheckpointReader& reader, const PackOptions& options,
                                QuantizePlan& plan) {
  PackedContents contents = planned_contents(reader, plan, options.non_finite);
  const PackedSummary planned = contents.summary();
  require_quantized(reader, planned.quantized, planned.unchanged_by_reason);
  contents.input_digest.assign(kDigestDigits, '0');
  for (std::size_t i = 0; i < plan.size(); ++i) plan[i].scheme = contents.tensors[i].scheme;
  return contents;
}

}  // namespace narrow
