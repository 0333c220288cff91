#include "tasks/network/batch_portions.h"

#include <fmt/format.h>

#include <algorithm>

#include "narrow/error.h"

namespace narrow {

BatchPortions::BatchPortions(std::uint64_t examples, bool is_shared) {
  const std::size_t batches = (examples + kBatch - 1) / kBatch;
  portions_ = std::min(kMost, batches);
  if (is_shared) {
    ranks_ = static_cast<std::size_t>(ranks().size());
    rank_ = static_cast<std::size_t>(ranks().rank());
  }
  if (ranks_ > portions_) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} ranks share {} examples, {} at a time in at most {} portions; "
                            "start no more ranks than portions",
                            ranks_, examples, kBatch, kMost));
  }
  for (std::size_t batch = 0; batch < batches; ++batch) {
    if (rank_of(batch * kBatch) == rank_) own_.push_back(batch);
  }
}

void broadcast_weights(std::span<const std::string> names, Weights& weights) {
  for (const std::string& name : names) {
    const auto values = std::as_writable_bytes(weights.values(name));
    std::vector<std::byte> bytes(values.begin(), values.end());
    ranks().broadcast(bytes);
    std::ranges::copy(bytes, values.begin());
  }
}

}  // namespace narrow
