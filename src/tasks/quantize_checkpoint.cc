#include "narrow/quantize_checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "base/item_pool.h"
#include "base/parallel.h"
#include "narrow/error.h"
#include "tasks/quantize_pieces.h"

namespace narrow {
namespace {

// Last stage: adds up errors in order and hands the bytes to the writer.
class PieceSink {
 public:
  PieceSink(std::vector<TensorResult>& results, std::uint64_t total_bytes, CheckpointWriter* writer,
            QuantizeObserver* observer)
      : results_(results), total_bytes_(total_bytes), writer_(writer), observer_(observer) {}

  void put(QuantizePiece& piece) {
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
  void write(const QuantizePiece& piece, const TensorInfo& info) {
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
  for (const TensorResult& result : results) summary.add_tensor(result);
  return summary;
}

}  // namespace

QuantizePlan make_plan(const CheckpointReader& reader, const Scheme& scheme,
                       const Selection& selection, const AxisRules& axes) {
  validate(scheme);
  const std::vector<CopyReason> reasons = copy_reasons(reader.tensors(), selection);
  QuantizePlan plan(reasons.size());
  std::vector<TensorInfo> quantized;
  for (std::size_t i = 0; i < plan.size(); ++i) {
    plan[i].index = i;
    plan[i].reason = reasons[i];
    if (reasons[i] != CopyReason::kNone) continue;
    const TensorInfo& info = reader.tensors()[i];
    plan[i].scheme = with_channel_axes(scheme, info, reader.location().format, axes);
    if (!axes.by_name.empty()) quantized.push_back(info);
  }
  const auto selected = std::ranges::count(reasons, CopyReason::kNone);
  require_quantized(reader, static_cast<std::uint64_t>(selected), count_reasons(reasons));
  require_axis_matches(axes, quantized);
  return plan;
}

CopyCounts copied_tensors(const QuantizePlan& plan) {
  CopyCounts counts;
  for (const TensorPlan& tensor : plan) {
    if (!tensor.scheme.has_value()) ++counts[tensor.reason];
  }
  return counts;
}

void require_quantized(const CheckpointReader& reader, std::uint64_t quantized,
                       const CopyCounts& copied) {
  if (quantized > 0) return;
  const std::string where = reader.location().path.string();
  if (copied.empty()) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("there is nothing to quantize in {}: it has no tensors", where));
  }
  const char* const averages =
      copied.contains(CopyReason::kMovingAverage) ? ", --moving_averages takes averages" : "";
  throw Error(
      ErrorCategory::kUsage,
      fmt::format("there is nothing to quantize in {}: all its tensors are copied: {}; narrow "
                  "inspect lists them, --include selects training state by its name{}",
                  where, describe(copied), averages));
}

void QuantizeSummary::add_tensor(const TensorResult& tensor) {
  input_bytes += tensor.info.byte_size();
  if (tensor.quantized) {
    add(tensor.errors);
    return;
  }
  ++copied;
  if (tensor.non_finite > 0) ++kept_non_finite;
  const CopyReason reason = tensor.non_finite > 0 ? CopyReason::kNonFinite : tensor.reason;
  if (reason != CopyReason::kNone) ++copied_by_reason[reason];
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
    TensorResult& planned = result.tensors.emplace_back();
    planned.info = info;
    planned.reason = tensor.reason;
    total_bytes += info.byte_size();
    if (writer != nullptr) writer->add(info);
  }
  ItemPool<QuantizePiece> pool;
  PieceSource source(reader, plan, options.non_finite, pool, result.tensors);
  PieceSink sink(result.tensors, total_bytes, writer, observer);
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

int default_channel_axis(CheckpointFormat format) {
  return format == CheckpointFormat::kSafetensors ? 0 : -1;
}

}  // namespace narrow
