#include "stream/quantized_reader.h"

#include <algorithm>
#include <utility>

#include "checkpoint/container/bytes_stream.h"
#include "narrow/channel_axes.h"
#include "stream/tensor_passes.h"

namespace narrow {
QuantizedReader::QuantizedReader(const CheckpointReader& original, const QuantizePlan& plan,
                                 NonFinitePolicy non_finite)
    : original_(original), non_finite_(non_finite) {
  for (const TensorPlan& tensor : plan) {
    if (tensor.scheme) schemes_.emplace(tensor.index, *tensor.scheme);
  }
}

std::unique_ptr<TensorStream> QuantizedReader::open(std::size_t index) const {
  const auto found = schemes_.find(index);
  if (found == schemes_.end()) return original_.open(index);
  const TensorInfo& info = tensors()[index];
  std::vector<std::byte> bytes(info.byte_size());
  original_.read(index, bytes);
  TensorQuantizer quantizer(with_channel_axes(found->second, info, location().format), info, 0);
  scan_tensor(bytes, quantizer);
  TensorResult result;
  result.info = info;
  if (!keep_non_finite(quantizer, non_finite_, result)) {
    round_trip_tensor(quantizer, element_size(info.dtype), bytes);
  }
  return std::make_unique<BytesStream>(info.name, std::move(bytes));
}

}  // namespace narrow
