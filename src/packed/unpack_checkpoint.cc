#include <algorithm>
#include <numeric>
#include <vector>

#include "base/item_pool.h"
#include "base/parallel.h"
#include "base/run_progress.h"
#include "narrow/packed_checkpoint.h"
#include "packed/packed_file.h"
#include "stream/quantize_pieces.h"

namespace narrow {

void unpack_checkpoint(const PackedCheckpoint& packed, CheckpointWriter& writer,
                       const RunOptions& run) {
  const ThreadLimit limit(run.threads);
  const PackedFile& file = file_of(packed);
  const std::vector<PackedTensor>& tensors = packed.contents().tensors;
  std::uint64_t total_bytes = 0;
  for (const PackedTensor& tensor : tensors) {
    writer.add(tensor.info);
    total_bytes += tensor.info.byte_size();
  }
  if (auto padding = file.open_padding()) {
    std::vector<std::byte> bytes(padding->bytes_left());
    padding->read(bytes);
  }
  std::vector<std::size_t> all(tensors.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  PackedPieceSource source(file, all);
  ItemPool<PackedPiece> pool;
  std::uint64_t bytes_done = 0;
  run_pipeline<PackedPiece>(
      pieces_in_flight(limit.threads()),
      [&]() -> PackedPiece* {
        PackedPiece* piece = pool.take();
        if (source.next(*piece)) return piece;
        pool.give_back(piece);
        return nullptr;
      },
      [&](PackedPiece& piece) { piece.restore(tensors[piece.tensor].info.dtype); },
      [&](PackedPiece& piece) {
        if (tensors[piece.tensor].info.dtype == DType::kString) {
          writer.write_strings(piece.strings);
        } else if (!piece.bytes.empty()) {
          writer.write(piece.bytes);
        }
        bytes_done += piece.bytes.size();
        report_progress(run.observer, bytes_done, total_bytes, ProgressUnit::kBytes);
        piece.restorer.reset();
        pool.give_back(&piece);
      });
}

}  // namespace narrow
