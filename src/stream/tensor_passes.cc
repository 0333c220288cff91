#include "stream/tensor_passes.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "stream/non_finite.h"

namespace narrow {

TensorPieces::TensorPieces(const CheckpointReader& reader, std::size_t index,
                           std::uint64_t piece_bytes)
    : stream_(reader.open(index)), left_(reader.tensors()[index].byte_size()) {
  const std::uint64_t element_bytes = element_size(reader.tensors()[index].dtype);
  piece_bytes_ = piece_bytes / element_bytes * element_bytes;
}

void TensorPieces::next(RawBytes& bytes) {
  bytes.resize(std::min(left_, piece_bytes_));
  stream_->read(bytes);
  left_ -= bytes.size();
}

void scan_tensor(const CheckpointReader& reader, std::size_t index,
                 std::span<TensorQuantizer> quantizers) {
  TensorPieces pieces(reader, index, kScanBytes);
  RawBytes bytes;
  while (!pieces.is_finished()) {
    pieces.next(bytes);
    for (TensorQuantizer& quantizer : quantizers) quantizer.scan(bytes);
  }
  for (TensorQuantizer& quantizer : quantizers) quantizer.finish_scan();
}

TensorScan::TensorScan(const CheckpointReader& reader, std::size_t index,
                       std::vector<TensorQuantizer> quantizers)
    : quantizers_(std::move(quantizers)), pieces_(reader, index, kScanBytes) {}

void TensorScan::step() {
  if (pieces_.is_finished()) return;
  pieces_.next(bytes_);
  for (TensorQuantizer& quantizer : quantizers_) quantizer.scan(bytes_);
}

std::vector<TensorQuantizer> TensorScan::finish() {
  while (!pieces_.is_finished()) step();
  for (TensorQuantizer& quantizer : quantizers_) quantizer.finish_scan();
  return std::move(quantizers_);
}

void scan_tensor(std::span<const std::byte> values, TensorQuantizer& quantizer) {
  quantizer.scan(values);
  quantizer.finish_scan();
}

ErrorSums round_trip_tensor(const TensorQuantizer& quantizer, std::size_t element_bytes,
                            std::span<std::byte> values) {
  ErrorSums errors;
  const std::uint64_t piece_bytes = quantizer.piece_elements() * element_bytes;
  for (std::uint64_t begin = 0; begin < values.size(); begin += piece_bytes) {
    const auto piece =
        values.subspan(begin, std::min<std::uint64_t>(piece_bytes, values.size() - begin));
    errors.merge(quantizer.round_trip(begin / element_bytes, piece, nullptr));
  }
  return errors;
}

void describe(const TensorQuantizer& quantizer, const Scheme& scheme, TensorResult& result,
              std::uint64_t blocks) {
  result.quantized = true;
  result.scheme = scheme;
  result.blocks = quantizer.block_count();
  result.clipped_blocks = quantizer.clipped_blocks();
  result.clipped_values = quantizer.clipped_values();
  result.params = quantizer.block_params(blocks);
}

bool keep_non_finite(const TensorQuantizer& quantizer, NonFinitePolicy policy,
                     TensorResult& result) {
  const NonFinite& found = quantizer.non_finite();
  if (found.count == 0) return false;
  if (policy == NonFinitePolicy::kError) throw non_finite_error(result.info, found);
  result.non_finite = found.count;
  result.reason = CopyReason::kNonFinite;
  return true;
}

}  // namespace narrow
