// Three stages that overlap: pieces are read in order, put in another order and cast on all
// threads, and written in order.
#include "narrow/convert_checkpoint.h"

#include <algorithm>
#include <memory>
#include <span>
#include <utility>

#include "base/item_pool.h"
#include "base/parallel.h"
#include "base/raw_bytes.h"
#include "base/run_progress.h"
#include "stream/quantize_pieces.h"
#include "tasks/convert/cast_elements.h"
#include "tasks/convert/convert_tensors.h"
#include "tasks/convert/weight_layout.h"

namespace narrow {
namespace {

constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 20;

struct ConvertPiece {
  const ConvertedTensor* tensor = nullptr;
  RawBytes bytes;                         // as stored; after the second stage in order
  std::shared_ptr<const RawBytes> whole;  // of a tensor whose axes are exchanged
  std::uint64_t first_element = 0;
  std::vector<std::byte> cast;
  std::vector<std::string> strings;
  std::uint64_t overflows = 0;
  bool is_last = false;  // of its tensor

  [[nodiscard]] bool is_cast() const { return tensor->before.dtype != tensor->after.dtype; }
};

// First stage.
class PieceReader {
 public:
  PieceReader(const CheckpointReader& reader, const ConvertPlan& plan, ItemPool<ConvertPiece>& pool)
      : reader_(reader), plan_(plan), pool_(pool) {}

  // Of a tensor of strings, or without elements, one piece without bytes.
  ConvertPiece* next() {
    if (left_ == 0) {
      if (next_tensor_ == plan_.tensors.size()) return nullptr;
      begin_tensor();
    }
    ConvertPiece* piece = pool_.take();
    piece->tensor = tensor_;
    piece->whole = whole_;
    piece->first_element = first_element_;
    piece->bytes.clear();
    if (tensor_->before.dtype == DType::kString) {
      piece->strings = reader_.read_strings(tensor_->index);
    } else {
      fill(*piece);
    }
    piece->is_last = left_ == 0;
    return piece;
  }

 private:
  void fill(ConvertPiece& piece) {
    const std::size_t size = element_size(tensor_->before.dtype);
    piece.bytes.resize(std::min(left_, kPieceBytes / size * size));
    if (left_ > 0 && whole_ == nullptr) stream_->read(piece.bytes);
    left_ -= piece.bytes.size();
    first_element_ += piece.bytes.size() / size;
  }

  void begin_tensor() {
    tensor_ = &plan_.tensors[next_tensor_++];
    whole_.reset();
    stream_.reset();
    first_element_ = 0;
    left_ = tensor_->before.dtype == DType::kString ? 0 : tensor_->before.byte_size();
    if (left_ == 0) return;
    if (tensor_->axes.empty()) {
      stream_ = reader_.open(tensor_->index);
    } else {
      auto whole = std::make_shared<RawBytes>(left_);
      reader_.read(tensor_->index, *whole);
      whole_ = std::move(whole);
    }
  }

  const CheckpointReader& reader_;
  const ConvertPlan& plan_;
  ItemPool<ConvertPiece>& pool_;
  std::size_t next_tensor_ = 0;
  const ConvertedTensor* tensor_ = nullptr;
  std::unique_ptr<TensorStream> stream_;
  std::shared_ptr<const RawBytes> whole_;
  std::uint64_t left_ = 0;
  std::uint64_t first_element_ = 0;
};

// Second stage.
void convert_piece(ConvertPiece& piece) {
  const TensorInfo& before = piece.tensor->before;
  piece.overflows = 0;
  if (piece.whole != nullptr) {
    permute(*piece.whole, before.shape, piece.tensor->axes, element_size(before.dtype),
            piece.first_element, piece.bytes);
    piece.whole.reset();
  }
  if (piece.is_cast()) {
    piece.overflows =
        cast_elements(before.dtype, piece.bytes, piece.tensor->after.dtype, piece.cast);
  }
}

void write_piece(const ConvertPiece& piece, CheckpointWriter& writer) {
  if (piece.tensor->before.dtype == DType::kString) {
    writer.write_strings(piece.strings);
  } else if (!piece.bytes.empty()) {
    writer.write(piece.is_cast() ? std::span<const std::byte>(piece.cast) : piece.bytes);
  }
}

}  // namespace

void convert_tensors(const CheckpointReader& reader, const ConvertPlan& plan,
                     CheckpointWriter& writer, const RunOptions& run, const TensorConverted& done) {
  const ThreadLimit limit(run.threads);
  std::uint64_t total_bytes = 0;
  for (const ConvertedTensor& tensor : plan.tensors) {
    writer.add(tensor.after);
    total_bytes += tensor.before.byte_size();
  }
  ItemPool<ConvertPiece> pool;
  PieceReader source(reader, plan, pool);
  std::uint64_t bytes_done = 0;
  std::uint64_t overflows = 0;  // of the tensor
  run_pipeline<ConvertPiece>(
      pieces_in_flight(limit.threads()), [&] { return source.next(); }, convert_piece,
      [&](ConvertPiece& piece) {
        write_piece(piece, writer);
        bytes_done += piece.bytes.size();
        overflows += piece.overflows;
        if (piece.is_last) {
          done(static_cast<std::size_t>(piece.tensor - plan.tensors.data()),
               std::exchange(overflows, 0));
        }
        pool.give_back(&piece);
        report_progress(run.observer, bytes_done, total_bytes, ProgressUnit::kBytes);
      });
}

std::uint64_t convert_checkpoint(const CheckpointReader& reader, const ConvertPlan& plan,
                                 CheckpointWriter& writer, const RunOptions& run) {
  std::uint64_t total = 0;
  convert_tensors(reader, plan, writer, run,
                  [&](std::size_t /*tensor*/, std::uint64_t overflows) { total += overflows; });
  return total;
}

}  // namespace narrow
