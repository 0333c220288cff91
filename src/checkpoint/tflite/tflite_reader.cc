// Reading TFLite models as checkpoints.
#include <algorithm>
#include <array>
#include <string_view>

#include "base/bytes.h"
#include "checkpoint/container/file_range_stream.h"
#include "checkpoint/container/formats.h"
#include "checkpoint/tflite/dequantize_stream.h"
#include "checkpoint/tflite/sparse_stream.h"
#include "checkpoint/tflite/tflite_model.h"

namespace narrow {
namespace {

class TfliteReader final : public CheckpointReader {
 public:
  explicit TfliteReader(const CheckpointLocation& location)
      : location_(location), file_(location.path), stored_(scan_tflite(file_)) {
    for (const TfliteTensor& tensor : stored_) tensors_.push_back(tensor.info);
  }

  [[nodiscard]] const CheckpointLocation& location() const override { return location_; }
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  [[nodiscard]] std::unique_ptr<TensorStream> open(std::size_t index) const override {
    const TfliteTensor& tensor = stored_.at(index);
    if (tensor.sparsity != 0) return open_sparse(file_, tensor);
    if (tensor.codes.bits != 0) return std::make_unique<DequantizeStream>(file_, tensor);
    return std::make_unique<FileRangeStream>(file_, tensor.info.name, tensor.offset, tensor.bytes);
  }

 private:
  CheckpointLocation location_;
  InputFile file_;
  std::vector<TfliteTensor> stored_;
  std::vector<TensorInfo> tensors_;
};

}  // namespace

bool looks_like_tflite(const InputFile& file) {
  constexpr std::string_view kIdentifier = "TFL3";
  std::array<std::byte, 8> start{};
  if (file.size() < start.size()) return false;
  file.read_at(0, start);
  return std::ranges::equal(std::span(start).last(kIdentifier.size()), as_byte_span(kIdentifier)) &&
         !looks_like_tensorflow_table(file);
}

std::unique_ptr<CheckpointReader> open_tflite(const CheckpointLocation& location) {
  return std::make_unique<TfliteReader>(location);
}

}  // namespace narrow
