// A tensor that is quantized is read once for its ranges. Up to kMaxKeptBytes its pieces are kept
// in memory and handed on from there, piece and piece about with the first pass over the next such
// one; a larger one is read a second time from a new stream, and likewise: neither the disk nor the
// threads wait for the other. Copied tensors are streamed in pieces of kCopyPieceBytes, strings are
// one piece. next() is a state machine: kept pieces first, then the open stream, then the next
// tensor of the plan. A tensor without elements is one empty piece, so that the end of every tensor
// comes through.
#include "stream/quantize_pieces.h"

#include <algorithm>
#include <utility>

#include "narrow/channel_axes.h"
#include "quant/fitting/value_fit.h"

namespace narrow {
namespace {

constexpr std::uint64_t kCopyPieceBytes = std::uint64_t{1} << 20;
// Tensors of up to this size are read once. More than the largest of a ResNet V1 (9 MiB).
constexpr std::uint64_t kMaxKeptBytes = std::uint64_t{12} << 20;
// About as many as such a tensor has, so that the threads have work while the next one is read.
constexpr std::size_t kPiecesAhead = 10;
// A piece has 1 MiB of float32, 2 MiB of float64: keeps the values in flight and the tensor that is
// kept within about 48 MiB on machines with many cores.
constexpr std::size_t kMaxPiecesInFlight = 18;

}  // namespace

std::size_t pieces_in_flight(int threads) {
  return std::min(kMaxPiecesInFlight, static_cast<std::size_t>(threads) + 2);
}

std::size_t pieces_in_flight_ahead(int threads) {
  return std::min(kMaxPiecesInFlight, static_cast<std::size_t>(threads) + kPiecesAhead);
}

QuantizePiece* PieceSource::next() {
  if (!kept_.empty()) return next_of_kept();
  while (stream_ == nullptr && plan_index_ < plan_.size()) {
    if (QuantizePiece* first = begin_tensor()) return first;
  }
  return stream_ == nullptr ? nullptr : next_of_stream();
}

// Starts tensor plan_index_: gives its first piece when it has been read, else opens stream_.
QuantizePiece* PieceSource::begin_tensor() {
  const TensorPlan& plan = plan_[plan_index_];
  const TensorInfo& info = reader_.tensors()[plan.index];
  element_bytes_ = element_size(info.dtype);
  bytes_left_ = info.byte_size();
  first_element_ = 0;
  quantizer_.reset();
  if (info.dtype == DType::kString) {
    QuantizePiece* piece = finished_piece();
    piece->strings = reader_.read_strings(plan.index);
    return piece;
  }
  piece_bytes_ = kCopyPieceBytes / element_bytes_ * element_bytes_;
  if (plan.scheme.has_value()) {
    scan_tensor();
    if (!kept_.empty()) return next_of_kept();
  }
  if (bytes_left_ == 0) return finished_piece();
  stream_ = reader_.open(plan.index);
  if (ahead_ == nullptr) look_ahead();
  return nullptr;
}

Scheme PieceSource::scheme_of(std::size_t plan_index) const {
  const TensorPlan& plan = plan_[plan_index];
  return with_channel_axes(*plan.scheme, reader_.tensors()[plan.index], reader_.location().format);
}

bool PieceSource::is_kept(std::size_t plan_index) const {
  return reader_.tensors()[plan_[plan_index].index].byte_size() <= kMaxKeptBytes;
}

std::unique_ptr<TensorScan> PieceSource::new_scan(std::size_t plan_index) const {
  const std::size_t index = plan_[plan_index].index;
  std::vector<TensorQuantizer> quantizers;
  quantizers.emplace_back(scheme_of(plan_index), reader_.tensors()[index], 0);
  return std::make_unique<TensorScan>(reader_, index, std::move(quantizers));
}

// Finds the ranges, and keeps the pieces of a tensor that is not too large for that.
void PieceSource::scan_tensor() {
  auto quantizer =
      std::make_shared<TensorQuantizer>(is_kept(plan_index_) ? scan_kept() : scan_large());
  TensorResult& result = results_[plan_index_];
  if (keep_non_finite(*quantizer, non_finite_, result)) return;
  quantizer->release_values();
  describe(*quantizer, scheme_of(plan_index_), result, reported_blocks_);
  piece_bytes_ = quantizer->piece_elements() * element_bytes_;
  quantizer_ = std::move(quantizer);
}

PieceSource::KeptScan PieceSource::new_kept_scan(std::size_t plan_index) const {
  const std::size_t index = plan_[plan_index].index;
  const TensorInfo& info = reader_.tensors()[index];
  return {plan_index,
          TensorQuantizer(scheme_of(plan_index), info, 0),
          reader_.open(index),
          info.byte_size(),
          {}};
}

void PieceSource::step(KeptScan& scan) {
  if (scan.bytes_left == 0) return;
  const TensorInfo& info = reader_.tensors()[plan_[scan.plan_index].index];
  const std::uint64_t most = scan.quantizer.piece_elements() * element_size(info.dtype);
  QuantizePiece* piece = pool_.take();
  scan.pieces.push_back(piece);
  piece->bytes.resize(std::min(scan.bytes_left, most));
  scan.stream->read(piece->bytes);
  scan.quantizer.scan(piece->bytes);
  scan.bytes_left -= piece->bytes.size();
}

// Begins that of the next tensor as well, unless it would collect all its values.
TensorQuantizer PieceSource::scan_kept() {
  const bool has_begun = kept_ahead_ && kept_ahead_->plan_index == plan_index_;
  KeptScan scan = has_begun ? std::move(*kept_ahead_) : new_kept_scan(plan_index_);
  kept_ahead_.reset();
  while (scan.bytes_left > 0) step(scan);
  scan.quantizer.finish_scan();
  kept_ = std::move(scan.pieces);
  const std::size_t next = plan_index_ + 1;
  if (next < plan_.size() && plan_[next].scheme && is_kept(next) &&
      !fit_needs_values(*plan_[next].scheme)) {
    kept_ahead_.emplace(new_kept_scan(next));
  }
  return std::move(scan.quantizer);
}

TensorQuantizer PieceSource::scan_large() {
  const bool has_begun = ahead_ != nullptr && next_large_ == plan_index_;
  const auto scan = has_begun ? std::move(ahead_) : new_scan(plan_index_);
  return std::move(scan->finish().front());
}

// Begins the first pass over the next tensor that is not kept; one that would collect all its
// values waits until those of this one are gone.
void PieceSource::look_ahead() {
  const auto is_large = [this](std::size_t i) { return plan_[i].scheme && !is_kept(i); };
  next_large_ = std::max(next_large_, plan_index_ + 1);
  while (next_large_ < plan_.size() && !is_large(next_large_)) ++next_large_;
  if (next_large_ == plan_.size() || fit_needs_values(*plan_[next_large_].scheme)) return;
  ahead_ = new_scan(next_large_);
}

QuantizePiece* PieceSource::next_of_stream() {
  QuantizePiece* piece = pool_.take();
  piece->bytes.resize(std::min(bytes_left_, piece_bytes_));
  stream_->read(piece->bytes);
  if (ahead_ != nullptr) ahead_->step();
  return passed_on(piece);
}

QuantizePiece* PieceSource::next_of_kept() {
  if (kept_ahead_) step(*kept_ahead_);
  QuantizePiece* piece = kept_.front();
  kept_.pop_front();
  return passed_on(piece);
}

QuantizePiece* PieceSource::passed_on(QuantizePiece* piece) {
  bytes_left_ -= piece->bytes.size();
  if (bytes_left_ == 0) return finish(piece);
  label(piece, false);
  first_element_ += piece->bytes.size() / element_bytes_;
  return piece;
}

QuantizePiece* PieceSource::finished_piece() {
  QuantizePiece* piece = pool_.take();
  piece->bytes.clear();
  return finish(piece);
}

QuantizePiece* PieceSource::finish(QuantizePiece* piece) {
  label(piece, true);
  stream_.reset();
  ++plan_index_;
  return piece;
}

void PieceSource::label(QuantizePiece* piece, bool last) const {
  piece->plan_index = plan_index_;
  piece->quantizer = quantizer_;
  piece->first_element = first_element_;
  piece->last = last;
  piece->strings.clear();
}

}  // namespace narrow
