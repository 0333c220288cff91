// The pipeline of narrow quantize with another second stage: PieceSource reads, scans and cuts; on
// all threads a piece is encoded (integer codes, parameters of its blocks) and the leaves of its
// digest are hashed; in order, the sink takes it and the digest of the checkpoint grows.
// planned_contents says what that will give, so that a writer knows every size beforehand; under
// kKeep it takes a scan of its own, since a tensor with NaN is not encoded.
#include "packed/pack_pipeline.h"

#include <algorithm>
#include <utility>

#include "base/exchange.h"
#include "base/parallel.h"
#include "base/ranks.h"
#include "base/run_progress.h"
#include "narrow/channel_axes.h"
#include "narrow/version.h"
#include "packed/packed_layout.h"
#include "packed/packed_metadata.h"
#include "stream/tensor_passes.h"

namespace narrow {
namespace {

std::uint64_t element_offset(const QuantizePiece& piece, const TensorInfo& info) {
  return piece.first_element * element_size(info.dtype);
}

void encode_piece(QuantizePiece& piece, const TensorInfo& info) {
  if (info.dtype == DType::kString) {
    const auto text = string_bytes(piece.strings);
    piece.bytes.assign(text.begin(), text.end());
  }
  if (piece.quantizer != nullptr && !piece.bytes.empty()) {
    piece.errors.overflowed =
        piece.quantizer->encode(piece.first_element, piece.bytes, &piece.packed, &piece.params);
  } else {
    piece.errors.overflowed = 0;
    piece.packed.clear();
    piece.params.clear();
  }
  piece.leaves = leaf_digests(element_offset(piece, info), piece.bytes, piece.last);
}

// NaN and infinite values of the tensors that are to be quantized. Ranks share the tensors, and all
// get the sums, which are exact: no tensor has 2^53 values.
std::vector<double> count_non_finite(const CheckpointReader& reader, const QuantizePlan& plan) {
  std::vector<std::uint64_t> bytes;
  for (const TensorPlan& tensor : plan) {
    bytes.push_back(tensor.scheme ? reader.tensors()[tensor.index].byte_size() : 0);
  }
  const std::vector<bool> is_own = deal_out(bytes, share_of_rank());
  std::vector<double> counts(plan.size());
  for (std::size_t i = 0; i < plan.size(); ++i) {
    if (!is_own[i] || !plan[i].scheme) continue;
    TensorQuantizer quantizer(Scheme{}, reader.tensors()[plan[i].index], 0);
    scan_tensor(reader, plan[i].index, {&quantizer, 1});
    counts[i] = static_cast<double>(quantizer.non_finite().count);
  }
  ranks().sum(counts);
  return counts;
}

}  // namespace

void run_pack_pipeline(const CheckpointReader& reader, const QuantizePlan& plan,
                       NonFinitePolicy non_finite, int threads, const PackedPieceSink& sink,
                       const TakeTensorDigest& take_digest, Observer* observer) {
  const ThreadLimit limit(threads);
  std::vector<TensorResult> results(plan.size());
  std::uint64_t total_bytes = 0;
  for (std::size_t i = 0; i < plan.size(); ++i) {
    results[i].info = reader.tensors()[plan[i].index];
    total_bytes += results[i].info.byte_size();
  }
  ItemPool<QuantizePiece> pool;
  PieceSource source(reader, plan, non_finite, 0, pool, results);
  TensorDigest tensor;
  std::uint64_t bytes_done = 0;
  run_pipeline<QuantizePiece>(
      pieces_in_flight(limit.threads()), [&] { return source.next(); },
      [&](QuantizePiece& piece) { encode_piece(piece, results[piece.plan_index].info); },
      [&](QuantizePiece& piece) {
        const TensorInfo& info = results[piece.plan_index].info;
        sink(piece);
        tensor.add(piece.bytes, piece.leaves);
        if (piece.last) take_digest(piece.plan_index, std::exchange(tensor, {}).digest());
        if (info.dtype != DType::kString) bytes_done += piece.bytes.size();
        report_progress(observer, bytes_done, total_bytes, ProgressUnit::kBytes);
        piece.quantizer.reset();
        pool.give_back(&piece);
      });
}

PackedContents planned_contents(const CheckpointReader& reader, const QuantizePlan& plan,
                                NonFinitePolicy non_finite) {
  refuse_packed(reader);
  PackedContents contents;
  contents.metadata = reader.metadata();
  std::erase_if(contents.metadata,
                [](const auto& entry) { return entry.first.starts_with(kPackedKeyPrefix); });
  contents.input_format = reader.location().format;
  contents.tool = "narrow " + build_info().version;
  std::vector<std::uint64_t> string_sizes(plan.size());
  std::vector<double> non_finites(plan.size());
  if (non_finite == NonFinitePolicy::kKeep) non_finites = count_non_finite(reader, plan);
  for (std::size_t i = 0; i < plan.size(); ++i) {
    PackedTensor& tensor = contents.tensors.emplace_back();
    tensor.info = reader.tensors()[plan[i].index];
    if (tensor.info.dtype == DType::kString) {
      string_sizes[i] = string_bytes(reader.read_strings(plan[i].index)).size();
    }
    tensor.reason = plan[i].reason;
    if (!plan[i].scheme.has_value()) continue;
    tensor.non_finite = static_cast<std::uint64_t>(non_finites[i]);
    if (tensor.non_finite > 0) {
      tensor.reason = CopyReason::kNonFinite;
      continue;
    }
    tensor.scheme = with_channel_axes(*plan[i].scheme, tensor.info, contents.input_format);
  }
  measure_packed(contents.tensors, string_sizes);
  return contents;
}

}  // namespace narrow
