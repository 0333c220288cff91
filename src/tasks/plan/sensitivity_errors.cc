#include "tasks/plan/sensitivity_errors.h"

#include <algorithm>
#include <utility>

#include "base/parallel.h"
#include "quant/elements/element_chunk.h"
#include "quant/tensor_quantizer.h"
#include "stream/tensor_passes.h"

namespace narrow {
namespace {

// A tensor scanned for all schemes.
std::vector<TensorQuantizer> scanned(const CheckpointReader& reader, std::size_t index,
                                     std::span<const Scheme> schemes) {
  const TensorInfo& info = reader.tensors()[index];
  std::vector<TensorQuantizer> quantizers;
  for (const Scheme& scheme : schemes) {
    if (!quantizers.empty() && TensorQuantizer::share_scan(schemes.front(), scheme)) {
      quantizers.push_back(quantizers.front().with_scheme(scheme));
      continue;
    }
    TensorQuantizer quantizer(scheme, info, 0);
    scan_tensor(reader, index, {&quantizer, 1});
    quantizers.push_back(std::move(quantizer));
  }
  return quantizers;
}

double weighted_sum(std::span<const double> originals, std::span<const double> restored,
                    std::span<const double> factors) {
  double sum = 0;
  for (std::size_t i = 0; i < originals.size(); ++i) {
    const double d = restored[i] - originals[i];
    sum += factors[i] * (d * d);
  }
  return sum;
}

}  // namespace

std::vector<double> sensitivity_errors(const CheckpointReader& reader, std::size_t index,
                                       std::span<const Scheme> schemes,
                                       const Sensitivity& sensitivity) {
  const TensorInfo& info = reader.tensors()[index];
  const std::uint64_t elements = element_count(info.shape);
  const std::size_t element_bytes = element_size(info.dtype);
  std::vector<double> sums(schemes.size(), 0);
  if (elements == 0 || schemes.empty()) return sums;
  const std::vector<TensorQuantizer> quantizers = scanned(reader, index, schemes);
  const std::uint64_t piece = quantizers.front().piece_elements();
  const auto stream = reader.open(index);
  std::vector<std::byte> bytes;
  std::vector<double> originals;
  std::vector<double> factors;
  for (std::uint64_t first = 0; first < elements; first += piece) {
    const std::size_t length = std::min(piece, elements - first);
    bytes.resize(length * element_bytes);
    originals.resize(length);
    factors.resize(length);
    stream->read(bytes);
    load_as_double(info.dtype, bytes.data(), length, originals.data());
    sensitivity.get(first, factors);
    parallel_for(schemes.size(), [&](std::size_t i) {
      std::vector<std::byte> restored_bytes = bytes;
      std::vector<double> restored(length);
      quantizers[i].round_trip(first, restored_bytes, nullptr);
      load_as_double(info.dtype, restored_bytes.data(), length, restored.data());
      sums[i] += weighted_sum(originals, restored, factors);
    });
  }
  return sums;
}

}  // namespace narrow
