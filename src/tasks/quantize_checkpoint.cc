#include "narrow/quantize_checkpoint.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "base/item_pool.h"
#include "base/parallel.h"
#include "base/run_progress.h"
#include "stream/quantize_pieces.h"

namespace narrow {
namespace {

// Last stage: adds up errors in order and hands the bytes to the writer.
class PieceSink {
 public:
  PieceSink(std::vector<TensorResult>& results, std::uint64_t total_bytes, CheckpointWriter& writer,
            QuantizeObserver* observer)
      : results_(results), total_bytes_(total_bytes), writer_(writer), observer_(observer) {}

  void put(QuantizePiece& piece) {
    TensorResult& result = results_[piece.plan_index];
    if (piece.quantizer != nullptr) {
      result.errors.merge(piece.errors);
      if (!piece.codes.counts.empty()) codes_.merge(piece.codes);
    }
    write(piece, result.info);
    bytes_done_ += piece.bytes.size();
    if (piece.last) end_tensor(result);
    report_progress(observer_, bytes_done_, total_bytes_, ProgressUnit::kBytes);
    if (!piece.last || observer_ == nullptr) return;
    observer_->on_tensor(result, ++tensors_done_, results_.size());
  }

 private:
  void write(const QuantizePiece& piece, const TensorInfo& info) {
    if (info.dtype == DType::kString) {
      writer_.write_strings(piece.strings);
    } else if (!piece.bytes.empty()) {
      writer_.write(piece.bytes);
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
  CheckpointWriter& writer_;
  QuantizeObserver* observer_;
  std::uint64_t bytes_done_ = 0;
  std::size_t tensors_done_ = 0;
  CodeCounts codes_;
};

QuantizeSummary summarize(const std::vector<TensorResult>& results) {
  QuantizeSummary summary;
  for (const TensorResult& result : results) summary.add_tensor(result);
  return summary;
}

}  // namespace

QuantizeResult quantize_checkpoint(const CheckpointReader& reader, const QuantizePlan& plan,
                                   const QuantizeOptions& options, CheckpointWriter& writer,
                                   const RunOptionsFor<QuantizeObserver>& run) {
  const auto start = std::chrono::steady_clock::now();
  const ThreadLimit limit(run.threads);
  QuantizeResult result;
  std::uint64_t total_bytes = 0;
  for (const TensorPlan& tensor : plan) {
    const TensorInfo& info = reader.tensors()[tensor.index];
    TensorResult& planned = result.tensors.emplace_back();
    planned.info = info;
    planned.reason = tensor.reason;
    total_bytes += info.byte_size();
    writer.add(info);
  }
  ItemPool<QuantizePiece> pool;
  PieceSource source(reader, plan, options.non_finite,
                     options.all_params ? TensorResult::kMaxReportedBlocks : 1, pool,
                     result.tensors);
  PieceSink sink(result.tensors, total_bytes, writer, run.observer);
  run_pipeline<QuantizePiece>(
      pieces_in_flight_ahead(limit.threads()), [&] { return source.next(); },
      [&](QuantizePiece& piece) {
        if (piece.quantizer == nullptr) return;
        piece.codes.counts.clear();
        piece.errors = piece.quantizer->round_trip(
            piece.first_element, piece.bytes, options.code_statistics ? &piece.codes : nullptr);
      },
      [&](QuantizePiece& piece) {
        sink.put(piece);
        piece.quantizer.reset();
        pool.give_back(&piece);
      });
  result.summary = summarize(result.tensors);
  result.summary.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace narrow
