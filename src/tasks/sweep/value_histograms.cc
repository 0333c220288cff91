#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include "base/item_pool.h"
#include "base/parallel.h"
#include "base/raw_bytes.h"
#include "narrow/channel_axes.h"
#include "narrow/sweep_histograms.h"
#include "quant/elements/element_chunk.h"
#include "stream/non_finite.h"
#include "stream/quantize_pieces.h"
#include "stream/tensor_passes.h"

namespace narrow {
namespace {

constexpr std::size_t kCountedChunk = 4096;

class Counter {
 public:
  Counter(const ValueHistograms& histograms, DType dtype, std::size_t bins)
      : lo_(histograms.lo), dtype_(dtype), last_(static_cast<double>(bins - 1)) {
    const double span = histograms.hi - histograms.lo;
    bins_per_unit_ = span > 0 ? static_cast<double>(bins) / span : 0;
  }

  void add(std::span<const std::byte> bytes, std::vector<std::uint64_t>* counts) const {
    std::array<double, kCountedChunk> values;
    const std::size_t count = bytes.size() / element_size(dtype_);
    for (std::size_t done = 0; done < count; done += kCountedChunk) {
      const std::size_t length = std::min(kCountedChunk, count - done);
      load_as_double(dtype_, bytes.data() + done * element_size(dtype_), length, values.data());
      for (const double value : std::span(values).first(length)) {
        const double bin = std::clamp(std::floor((value - lo_) * bins_per_unit_), 0.0, last_);
        ++(*counts)[static_cast<std::size_t>(bin)];
      }
    }
  }

 private:
  double lo_;
  DType dtype_;
  double last_;
  double bins_per_unit_ = 0;
};

struct CountedPiece {
  std::uint64_t first = 0;
  RawBytes bytes;
  std::vector<std::uint64_t> counts;
};

// The counts of all pieces of a tensor, on all threads, after change(first element, bytes).
template <typename Change>
std::vector<std::uint64_t> count_pieces(const CheckpointReader& reader, std::size_t index,
                                        std::uint64_t piece_bytes, const Counter& counter,
                                        std::size_t bins, int threads, const Change& change) {
  std::vector<std::uint64_t> counts(bins);
  const std::size_t element_bytes = element_size(reader.tensors()[index].dtype);
  ItemPool<CountedPiece> pool;
  TensorPieces pieces(reader, index, piece_bytes);
  std::uint64_t first = 0;
  run_pipeline<CountedPiece>(
      pieces_in_flight(threads),
      [&]() -> CountedPiece* {
        if (pieces.is_finished()) return nullptr;
        CountedPiece* piece = pool.take();
        piece->first = first;
        pieces.next(piece->bytes);
        first += piece->bytes.size() / element_bytes;
        return piece;
      },
      [&](CountedPiece& piece) {
        change(piece.first, piece.bytes);
        piece.counts.assign(bins, 0);
        counter.add(piece.bytes, &piece.counts);
      },
      [&](CountedPiece& piece) {
        std::ranges::transform(counts, piece.counts, counts.begin(), std::plus<>());
        pool.give_back(&piece);
      });
  return counts;
}

}  // namespace

ValueHistograms value_histograms(const CheckpointReader& reader, std::size_t index,
                                 std::span<const Scheme> schemes, std::size_t bins, int threads) {
  const ThreadLimit limit(threads);
  ValueHistograms histograms;
  histograms.info = reader.tensors().at(index);
  const DType dtype = histograms.info.dtype;
  // One block of the whole tensor has the range of its values.
  std::vector<TensorQuantizer> quantizers;
  quantizers.emplace_back(Scheme{}, histograms.info, 0);
  for (const Scheme& scheme : schemes) {
    quantizers.emplace_back(with_channel_axes(scheme, histograms.info, reader.location().format),
                            histograms.info, 0);
  }
  scan_tensor(reader, index, quantizers);
  const TensorQuantizer& whole = quantizers.front();
  if (whole.non_finite().count > 0) throw non_finite_error(histograms.info, whole.non_finite());
  const auto params = whole.block_params(1);
  if (!params.empty()) {
    histograms.lo = params.front().lo;
    histograms.hi = params.front().hi;
  }
  const Counter counter(histograms, dtype, bins);
  histograms.original = count_pieces(reader, index, kScanBytes, counter, bins, limit.threads(),
                                     [](std::uint64_t, std::span<std::byte>) {});
  for (const TensorQuantizer& quantizer : std::span(quantizers).subspan(1)) {
    histograms.restored.push_back(
        count_pieces(reader, index, quantizer.piece_elements() * element_size(dtype), counter, bins,
                     limit.threads(), [&](std::uint64_t first, std::span<std::byte> bytes) {
                       quantizer.round_trip(first, bytes, nullptr);
                     }));
  }
  return histograms;
}

std::vector<std::size_t> telling_tensors(const SweepResult& result, std::size_t scheme) {
  const auto best_by = [&](bool weights_only, const auto& key) {
    std::vector<std::size_t> best;
    for (std::size_t i = 0; i < result.tensors.size(); ++i) {
      const TensorSweep& tensor = result.tensors[i];
      if (tensor.costs.empty() || (weights_only && tensor.info.shape.size() < 2)) continue;
      if (best.empty() || key(tensor) > key(result.tensors[best.front()])) best = {i};
    }
    return best;
  };
  std::vector<std::size_t> telling =
      best_by(false, [](const TensorSweep& tensor) { return element_count(tensor.info.shape); });
  const auto error = [&](const TensorSweep& tensor) {
    return tensor.costs.at(scheme).errors.relative_l2();
  };
  std::vector<std::size_t> worst = best_by(true, error);
  if (worst.empty()) worst = best_by(false, error);
  if (!worst.empty() && worst != telling) telling.push_back(worst.front());
  return telling;
}

}  // namespace narrow
