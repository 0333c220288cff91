#include "tasks/sweep/quantized_reader.h"

#include <algorithm>
#include <utility>

#include "narrow/channel_axes.h"
#include "narrow/error.h"
#include "quant/tensor_quantizer.h"
#include "tasks/non_finite.h"

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
  quantizer.scan(bytes);
  quantizer.finish_scan();
  if (quantizer.non_finite().count > 0) {
    if (non_finite_ == NonFinitePolicy::kError) {
      throw non_finite_error(info, quantizer.non_finite());
    }
    return std::make_unique<RestoredStream>(std::move(bytes));
  }
  const std::size_t element_bytes = element_size(info.dtype);
  const std::uint64_t piece_bytes = quantizer.piece_elements() * element_bytes;
  for (std::uint64_t begin = 0; begin < bytes.size(); begin += piece_bytes) {
    const std::uint64_t length = std::min<std::uint64_t>(piece_bytes, bytes.size() - begin);
    quantizer.round_trip(begin / element_bytes, std::span(bytes).subspan(begin, length), nullptr);
  }
  return std::make_unique<RestoredStream>(std::move(bytes));
}

}  // namespace narrow
