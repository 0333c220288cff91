#include <fmt/format.h>

#include <utility>

#include "base/read_ahead.h"
#include "checkpoint/container/formats.h"
#include "checkpoint/tensorflow/interrupted_checkpoints.h"
#include "checkpoint/tensorflow/slices/gather_stream.h"
#include "checkpoint/tensorflow/string_values.h"
#include "checkpoint/tensorflow/v2_index.h"
#include "checkpoint/tensorflow/value_checksum.h"
#include "narrow/error.h"

namespace narrow {
namespace {

std::string where_in(const V2Piece& piece, const std::string& name) {
  return fmt::format("{} at byte {}, tensor '{}'", piece.shard->path().string(), piece.byte_offset,
                     name);
}

// Reads straight into the caller's buffer; the checksum is verified with the last byte.
class PieceStream final : public TensorStream {
 public:
  PieceStream(const V2Piece& piece, const TensorInfo& info)
      : piece_(piece),
        name_(info.name),
        checksum_(info),
        ahead_(piece.byte_offset, piece.byte_offset + piece.byte_count) {}

  void read(std::span<std::byte> out) override {
    if (out.empty()) return;
    if (out.size() > piece_.byte_count - delivered_) {
      throw Error(ErrorCategory::kUsage,
                  fmt::format("tensor '{}' was read beyond its last element", name_));
    }
    ahead_.reach(*piece_.shard, piece_.byte_offset + delivered_ + out.size());
    piece_.shard->read_at(piece_.byte_offset + delivered_, out);
    checksum_.add(out);
    delivered_ += out.size();
    if (delivered_ < piece_.byte_count) return;
    if (!checksum_.is_whole() || checksum_.masked() != piece_.masked_crc) {
      throw Error(
          ErrorCategory::kCorrupt,
          fmt::format("{}: the {} bytes have the checksum {:08x} instead of {:08x}: the data "
                      "file is damaged or belongs to another checkpoint",
                      where_in(piece_, name_), piece_.byte_count, checksum_.masked(),
                      piece_.masked_crc));
    }
  }

 private:
  const V2Piece& piece_;
  const std::string& name_;
  std::uint64_t delivered_ = 0;
  ValueChecksum checksum_;
  ReadAhead ahead_;
};

class TensorFlowV2Reader final : public CheckpointReader {
 public:
  explicit TensorFlowV2Reader(CheckpointLocation location)
      : location_(std::move(location)), index_(read_v2_index(location_.path)) {
    infos_.reserve(index_.tensors.size());
    for (const V2Tensor& tensor : index_.tensors) infos_.push_back(tensor.info);
  }

  [[nodiscard]] const CheckpointLocation& location() const override { return location_; }
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const override { return infos_; }
  [[nodiscard]] std::unique_ptr<TensorStream> open(std::size_t index) const override;
  [[nodiscard]] std::vector<std::string> read_strings(std::size_t index) const override;

 private:
  CheckpointLocation location_;
  V2Index index_;
  std::vector<TensorInfo> infos_;
};

// Of a tensor in several pieces, for which the index was checked to say one.
std::size_t stored_element_size(const TensorInfo& info) {
  if (info.dtype != DType::kOpaque) return element_size(info.dtype);
  const std::uint64_t elements = element_count(info.shape);
  return elements == 0 ? 1 : static_cast<std::size_t>(info.opaque.byte_size / elements);
}

std::unique_ptr<TensorStream> TensorFlowV2Reader::open(std::size_t index) const {
  const V2Tensor& tensor = index_.tensors.at(index);
  const std::string& name = tensor.info.name;
  if (tensor.info.dtype == DType::kString) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("tensor '{}' holds strings, which are not read as a stream", name));
  }
  if (tensor.pieces.size() == 1)
    return std::make_unique<PieceStream>(tensor.pieces[0], tensor.info);
  const auto open_piece = [&tensor](std::size_t slice) {
    return std::make_unique<PieceStream>(tensor.pieces[slice], tensor.info);
  };
  return std::make_unique<GatherStream>(tensor.info.shape, tensor.slices,
                                        stored_element_size(tensor.info), open_piece);
}

std::vector<std::string> TensorFlowV2Reader::read_strings(std::size_t index) const {
  const V2Tensor& tensor = index_.tensors.at(index);
  if (tensor.info.dtype != DType::kString) return CheckpointReader::read_strings(index);
  std::vector<std::vector<std::string>> slices;
  for (std::size_t i = 0; i < tensor.pieces.size(); ++i) {
    const V2Piece& piece = tensor.pieces[i];
    EncodedStrings encoded{.bytes = std::string(piece.byte_count, '\0'),
                           .masked_crc = piece.masked_crc};
    piece.shard->read_at(piece.byte_offset, std::as_writable_bytes(std::span(encoded.bytes)));
    const auto count = element_count(slice_shape(tensor.info.shape, tensor.slices[i]));
    slices.push_back(decode_strings(encoded, count, where_in(piece, tensor.info.name)));
  }
  return gather_strings(tensor.info.shape, tensor.slices, std::move(slices));
}

}  // namespace

std::unique_ptr<CheckpointReader> open_tensorflow_v2(const CheckpointLocation& location) {
  // Until every data file is open.
  const auto lock = lock_checkpoint(location.path);
  return std::make_unique<TensorFlowV2Reader>(location);
}

}  // namespace narrow
