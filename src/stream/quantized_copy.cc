#include "stream/quantized_copy.h"

#include "checkpoint/container/bytes_stream.h"

namespace narrow {

std::unique_ptr<TensorStream> QuantizedCopy::open(std::size_t index) const {
  const auto found = values_.find(index);
  if (found == values_.end()) return QuantizedReader::open(index);
  return std::make_unique<BytesStream>(tensors()[index].name, found->second);
}

void QuantizedCopy::add(const TensorInfo& info) {
  const bool has_bytes = info.dtype != DType::kString && info.byte_size() > 0;
  if (has_bytes) added_.push_back(*find(info.name));
}

void QuantizedCopy::write(std::span<const std::byte> values) {
  const std::size_t index = added_.at(next_);
  std::vector<std::byte>& bytes = values_[index];
  bytes.insert(bytes.end(), values.begin(), values.end());
  if (bytes.size() == tensors()[index].byte_size()) ++next_;
}

}  // namespace narrow
