#include <numeric>

#include "checkpoint/container/sectioned_checkpoint.h"

namespace narrow {

void SectionWriter::write(std::span<const std::byte> values) {
  if (values.empty()) return;
  const std::size_t tensor = order_.take(values.size());
  if (!has_begun_) {
    const std::uint64_t bytes = std::accumulate(
        tensors().begin(), tensors().end(), std::uint64_t{0},
        [](std::uint64_t sum, const TensorInfo& info) { return sum + info.byte_size(); });
    file_.reserve(begins_.at(tensor), bytes);
    has_begun_ = true;
  }
  if (tensor != tensor_) written_ = 0;
  tensor_ = tensor;
  file_.write_at(begins_.at(tensor) + written_, values);
  written_ += values.size();
  add_to_checksum(tensor, values);
}

void SectionWriter::finish() {
  order_.check_complete();
  file_.finish();
}

}  // namespace narrow
