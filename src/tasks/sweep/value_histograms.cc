#include <algorithm>
#include <cmath>

#include "narrow/channel_axes.h"
#include "narrow/sweep_histograms.h"
#include "quant/elements/element_chunk.h"
#include "stream/non_finite.h"
#include "stream/tensor_passes.h"

namespace narrow {
namespace {

class Counter {
 public:
  Counter(const ValueHistograms& histograms, DType dtype, std::size_t bins)
      : lo_(histograms.lo), dtype_(dtype), last_(static_cast<double>(bins - 1)) {
    const double span = histograms.hi - histograms.lo;
    bins_per_unit_ = span > 0 ? static_cast<double>(bins) / span : 0;
  }

  void add(std::span<const std::byte> bytes, std::vector<std::uint64_t>* counts) {
    values_.resize(bytes.size() / element_size(dtype_));
    load_as_double(dtype_, bytes.data(), values_.size(), values_.data());
    for (const double value : values_) {
      const double bin = std::clamp(std::floor((value - lo_) * bins_per_unit_), 0.0, last_);
      ++(*counts)[static_cast<std::size_t>(bin)];
    }
  }

 private:
  double lo_;
  DType dtype_;
  double last_;
  double bins_per_unit_ = 0;
  std::vector<double> values_;
};

}  // namespace

ValueHistograms value_histograms(const CheckpointReader& reader, std::size_t index,
                                 std::span<const Scheme> schemes, std::size_t bins) {
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
  Counter counter(histograms, dtype, bins);
  histograms.original.resize(bins);
  for_each_piece(reader, index, kScanBytes, [&](std::span<const std::byte> bytes) {
    counter.add(bytes, &histograms.original);
  });
  for (const TensorQuantizer& quantizer : std::span(quantizers).subspan(1)) {
    std::vector<std::uint64_t>& counts = histograms.restored.emplace_back(bins);
    std::uint64_t first = 0;
    for_each_piece(reader, index, quantizer.piece_elements() * element_size(dtype),
                   [&](std::span<std::byte> bytes) {
                     quantizer.round_trip(first, bytes, nullptr);
                     first += bytes.size() / element_size(dtype);
                     counter.add(bytes, &counts);
                   });
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
