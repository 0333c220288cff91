#include "narrow/quantize_checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "base/item_pool.h"
#include "base/parallel.h"
#include "quant/tensor_quantizer.h"
#include "tasks/non_finite.h"

namespace narrow {
namespace {

constexpr std::uint64_t kCopyPieceBytes = std::uint64_t{1} << 20;
// Keeps the pieces in flight below about 32 MiB on machines with many cores.
constexpr std::size_t kMaxPiecesInFlight = 24;

// One piece of one tensor on its way through the stages.
struct Piece {
  std::size_t plan_index = 0;
  std::shared_ptr<const TensorQuantizer> quantizer;  // null: the bytes are copied
  std::uint64_t first_element = 0;
  std::vector<std::byte> bytes;
  std::vector<std::string> strings;
  bool last = false;
  ErrorSums errors;
  CodeCounts codes;
};

// First stage: cuts the tensors of the plan into pieces, after a pass over each tensor that is to
// be quantized which finds its ranges.
class PieceSource {
 public:
  PieceSource(const CheckpointReader& reader, const QuantizePlan& plan,
              const QuantizeOptions& options, ItemPool<Piece>& pool,
              std::vector<TensorResult>& results)
      : reader_(reader), plan_(plan), options_(options), pool_(pool), results_(results) {}

  // The next piece, or null after the last.
  Piece* next() {
    while (stream_ == nullptr && plan_index_ < plan_.size()) {
      if (Piece* whole = begin_tensor()) return whole;
    }
    return stream_ == nullptr ? nullptr : next_of_stream();
  }

 private:
  // Starts tensor plan_index_: gives a piece when that is the whole tensor, else opens stream_.
  Piece* begin_tensor() {
    const TensorPlan& plan = plan_[plan_index_];
    const TensorInfo& info = reader_.tensors()[plan.index];
    element_bytes_ = element_size(info.dtype);
    bytes_left_ = info.byte_size();
    first_element_ = 0;
    quantizer_.reset();
    if (info.dtype == DType::kString) {
      Piece* piece = finished_piece();
      piece->strings = reader_.read_strings(plan.index);
      return piece;
    }
    piece_bytes_ = kCopyPieceBytes / element_bytes_ * element_bytes_;
    if (plan.scheme.has_value()) {
      if (Piece* whole = scan_tensor(plan, info)) return whole;
    }
    if (bytes_left_ == 0) return finished_piece();
    stream_ = reader_.open(plan.index);
    return nullptr;
  }

  // Finds the ranges; a tensor of one piece is kept and returned, so that it is read once.
  Piece* scan_tensor(const TensorPlan& plan, const TensorInfo& info) {
    auto quantizer = std::make_shared<TensorQuantizer>(
        *plan.scheme, info, default_channel_axis(reader_.location().format));
    const std::uint64_t piece_bytes = quantizer->piece_elements() * element_bytes_;
    Piece* piece = pool_.take();
    const auto stream = reader_.open(plan.index);
    for (std::uint64_t left = bytes_left_; left > 0;) {
      piece->bytes.resize(std::min(left, piece_bytes));
      stream->read(piece->bytes);
      quantizer->scan(piece->bytes);
      left -= piece->bytes.size();
    }
    quantizer->finish_scan();
    if (keep_non_finite(*quantizer, info)) {
      pool_.give_back(piece);
      return nullptr;
    }
    describe(*quantizer, *plan.scheme);
    quantizer_ = std::move(quantizer);
    piece_bytes_ = piece_bytes;
    if (bytes_left_ > 0 && bytes_left_ <= piece_bytes) return finish(piece);
    pool_.give_back(piece);
    return nullptr;
  }

  // Whether the tensor has to be copied for its non-finite values.
  bool keep_non_finite(const TensorQuantizer& quantizer, const TensorInfo& info) {
    const NonFinite& found = quantizer.non_finite();
    if (found.count == 0) return false;
    if (options_.non_finite == NonFinitePolicy::kError) {
      throw non_finite_error(info, found);
    }
    results_[plan_index_].non_finite = found.count;
    return true;
  }

  void describe(const TensorQuantizer& quantizer, const Scheme& scheme) {
    TensorResult& result = results_[plan_index_];
    result.quantized = true;
    result.scheme = scheme;
    result.blocks = quantizer.block_count();
    result.clipped_blocks = quantizer.clipped_blocks();
    result.params = quantizer.block_params(TensorResult::kMaxReportedBlocks);
  }

  Piece* next_of_stream() {
    Piece* piece = pool_.take();
    piece->bytes.resize(std::min(bytes_left_, piece_bytes_));
    stream_->read(piece->bytes);
    bytes_left_ -= piece->bytes.size();
    if (bytes_left_ == 0) return finish(piece);
    label(piece, false);
    first_element_ += piece->bytes.size() / element_bytes_;
    return piece;
  }

  Piece* finished_piece() {
    Piece* piece = pool_.take();
    piece->bytes.clear();
    return finish(piece);
  }

  Piece* finish(Piece* piece) {
    label(piece, true);
    stream_.reset();
    ++plan_index_;
    return piece;
  }

  void label(Piece* piece, bool last) const {
    piece->plan_index = plan_index_;
    piece->quantizer = quantizer_;
    piece->first_element = first_element_;
    piece->last = last;
    piece->strings.clear();
  }

  const CheckpointReader& reader_;
  const QuantizePlan& plan_;
  const QuantizeOptions& options_;
  ItemPool<Piece>& pool_;
  std::vector<TensorResult>& results_;
  std::size_t plan_index_ = 0;
  std::unique_ptr<TensorStream> stream_;
  std::shared_ptr<const TensorQuantizer> quantizer_;
  std::uint64_t element_bytes_ = 1;
  std::uint64_t piece_bytes_ = 0;
  std::uint64_t bytes_left_ = 0;
  std::uint64_t first_element_ = 0;
};

// Last stage: adds up errors in order and hands the bytes to the writer.
class PieceSink {
 public:
  PieceSink(std::vector<TensorResult>& results, std::uint64_t total_bytes, CheckpointWriter* writer,
            QuantizeObserver* observer)
      : results_(results), total_bytes_(total_bytes), writer_(writer), observer_(observer) {}

  void put(Piece& piece) {
    TensorResult& result = results_[piece.plan_index];
    if (piece.quantizer != nullptr) {
      result.errors.merge(piece.errors);
      if (!piece.codes.counts.empty()) codes_.merge(piece.codes);
    }
    if (writer_ != nullptr) write(piece, result.info);
    bytes_done_ += piece.bytes.size();
    if (piece.last) end_tensor(result);
    if (observer_ == nullptr) return;
    observer_->on_bytes(bytes_done_, total_bytes_);
    if (piece.last) observer_->on_tensor(result, ++tensors_done_, results_.size());
  }

 private:
  void write(const Piece& piece, const TensorInfo& info) {
    if (info.dtype == DType::kString) {
      writer_->write_strings(piece.strings);
    } else if (!piece.bytes.empty()) {
      writer_->write(piece.bytes);
    }
  }

  void end_tensor(TensorResult& result) {
    if (codes_.counts.empty()) return;
    result.codes_used = codes_.used();
    result.entropy_bits = codes_.entropy_bits();
    codes_ = {};
  }

  std::vector<TensorResult>& results_;
  std::uint64_t total_bytes_;
  CheckpointWriter* writer_;
  QuantizeObserver* observer_;
  std::uint64_t bytes_done_ = 0;
  std::size_t tensors_done_ = 0;
  CodeCounts codes_;
};

QuantizeSummary summarize(const std::vector<TensorResult>& results) {
  QuantizeSummary summary;
  for (const TensorResult& result : results) {
    summary.input_bytes += result.info.byte_size();
    if (result.quantized) {
      summary.add(result.errors);
    } else {
      ++summary.copied;
      if (result.non_finite > 0) ++summary.kept_non_finite;
    }
  }
  return summary;
}

}  // namespace

QuantizePlan make_plan(const CheckpointReader& reader, const Scheme& scheme,
                       const Selection& selection) {
  validate(scheme);
  const std::vector<bool> selected = select_tensors(reader.tensors(), selection);
  QuantizePlan plan(selected.size());
  for (std::size_t i = 0; i < plan.size(); ++i) {
    plan[i].index = i;
    if (selected[i]) plan[i].scheme = scheme;
  }
  return plan;
}

QuantizeResult quantize_checkpoint(const CheckpointReader& reader, const QuantizePlan& plan,
                                   const QuantizeOptions& options, CheckpointWriter* writer,
                                   QuantizeObserver* observer) {
  const auto start = std::chrono::steady_clock::now();
  const ThreadLimit limit(options.threads);
  QuantizeResult result;
  std::uint64_t total_bytes = 0;
  for (const TensorPlan& tensor : plan) {
    const TensorInfo& info = reader.tensors()[tensor.index];
    result.tensors.emplace_back().info = info;
    total_bytes += info.byte_size();
    if (writer != nullptr) writer->add(info);
  }
  ItemPool<Piece> pool;
  PieceSource source(reader, plan, options, pool, result.tensors);
  PieceSink sink(result.tensors, total_bytes, writer, observer);
  const auto in_flight =
      std::min(kMaxPiecesInFlight, static_cast<std::size_t>(limit.threads()) + 2);
  run_pipeline<Piece>(
      in_flight, [&] { return source.next(); },
      [&](Piece& piece) {
        if (piece.quantizer == nullptr) return;
        piece.codes.counts.clear();
        piece.errors = piece.quantizer->round_trip(
            piece.first_element, piece.bytes, options.code_statistics ? &piece.codes : nullptr);
      },
      [&](Piece& piece) {
        sink.put(piece);
        piece.quantizer.reset();
        pool.give_back(&piece);
      });
  result.summary = summarize(result.tensors);
  result.summary.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

int default_channel_axis(CheckpointFormat format) {
  return format == CheckpointFormat::kSafetensors ? 0 : -1;
}

}  // namespace narrow
