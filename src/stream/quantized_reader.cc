#include "stream/quantized_reader.h"

#include <algorithm>
#include <utility>

#include "narrow/channel_axes.h"
#include "narrow/error.h"
#include "stream/tensor_passes.h"

namespace narrow {
namespace {

class RestoredStream : public TensorStream {
 public:
  explicit RestoredStream(std::vector<std::byte> bytes) : bytes_(std::move(bytes)) {}
  void read(std::span<std::byte> out) override {
    if (out.size() > bytes_.size() - position_) {
      throw Error(ErrorCategory::kUsage, "a tensor was read past its end");
    }
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(position_), out.size(), out.begin());
    position_ += out.size();
  }

 private:
  std::vector<std::byte> bytes_;
  std::size_t position_ = 0;
};

}  // namespace

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
  return std::make_unique<RestoredStream>(std::move(bytes));
}

}  // namespace narrow
