// Pieces are read in order, their leaves hashed on all threads and put together in order.
#include "packed/checkpoint_digest.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/item_pool.h"
#include "base/parallel.h"
#include "base/raw_bytes.h"
#include "narrow/packed_checkpoint.h"
#include "packed/packed_layout.h"
#include "stream/quantize_pieces.h"

namespace narrow {
namespace {

constexpr std::uint64_t kPieceBytes = 4 * kLeafBytes;  // whole leaves

struct DigestPiece {
  std::size_t tensor = 0;
  RawBytes bytes;
  bool is_last = false;
  std::vector<Digest128> leaves;
};

// First stage: the values of the tensors whose digest is not known, front to back.
class DigestPieces {
 public:
  DigestPieces(const CheckpointReader& reader, const TensorDigests& known,
               ItemPool<DigestPiece>& pool)
      : reader_(reader), known_(known), pool_(pool) {}

  // Null after the last.
  DigestPiece* next() {
    if (stream_ != nullptr) return next_of_stream();
    while (tensor_ < known_.size() && known_[tensor_]) ++tensor_;
    if (tensor_ == known_.size()) return nullptr;
    const TensorInfo& info = reader_.tensors()[tensor_];
    if (info.dtype == DType::kString) {
      const std::vector<std::byte> text = string_bytes(reader_.read_strings(tensor_));
      DigestPiece* piece = new_piece(text.size());
      std::ranges::copy(text, piece->bytes.begin());
      return finish(piece);
    }
    left_ = info.byte_size();
    if (left_ == 0) return finish(new_piece(0));
    stream_ = reader_.open(tensor_);
    return next_of_stream();
  }

 private:
  DigestPiece* new_piece(std::size_t bytes) {
    DigestPiece* piece = pool_.take();
    piece->tensor = tensor_;
    piece->bytes.resize(bytes);
    piece->is_last = false;
    return piece;
  }

  DigestPiece* next_of_stream() {
    DigestPiece* piece = new_piece(std::min(left_, kPieceBytes));
    stream_->read(piece->bytes);
    left_ -= piece->bytes.size();
    return left_ == 0 ? finish(piece) : piece;
  }

  DigestPiece* finish(DigestPiece* piece) {
    piece->is_last = true;
    stream_.reset();
    ++tensor_;
    return piece;
  }

  const CheckpointReader& reader_;
  const TensorDigests& known_;
  ItemPool<DigestPiece>& pool_;
  std::size_t tensor_ = 0;
  std::unique_ptr<TensorStream> stream_;
  std::uint64_t left_ = 0;
};

}  // namespace

std::string checkpoint_digest(const CheckpointReader& reader, const TensorDigests& known,
                              int threads) {
  const ThreadLimit limit(threads);
  ContentDigest content;
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (known[i]) content.add(reader.tensors()[i], *known[i]);
  }
  ItemPool<DigestPiece> pool;
  DigestPieces source(reader, known, pool);
  TensorDigest tensor;
  run_pipeline<DigestPiece>(
      pieces_in_flight(limit.threads()), [&] { return source.next(); },
      [](DigestPiece& piece) { piece.leaves = leaf_digests(0, piece.bytes, true); },
      [&](DigestPiece& piece) {
        tensor.add(piece.bytes, piece.leaves);
        if (piece.is_last) {
          content.add(reader.tensors()[piece.tensor], std::exchange(tensor, {}).digest());
        }
        pool.give_back(&piece);
      });
  return "xxh3-128:" + content.text();
}

std::string checkpoint_digest(const CheckpointReader& reader, int threads) {
  return checkpoint_digest(reader, TensorDigests(reader.tensors().size()), threads);
}

}  // namespace narrow
