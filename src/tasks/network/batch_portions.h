// The batches of a calibration in portions, which ranks share. How they are cut depends on the
// examples alone, and what they give is put together in their order: the same bytes for every
// number of ranks.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/byte_record.h"
#include "base/ranks.h"
#include "model/network_variables.h"
#include "nn/execution/graph_walk.h"

namespace narrow {

class BatchPortions {
 public:
  // Examples of a batch.
  static constexpr auto kBatch = static_cast<std::size_t>(GraphWalk::kBatch);
  // So many ranks can share a calibration.
  static constexpr std::size_t kMost = 16;

  BatchPortions() = default;  // of nothing
  // Of `examples`. Where ranks share them, this one has a part of the
  // portions, else all. Throws Error(kUsage) for more ranks than portions.
  BatchPortions(std::uint64_t examples, bool is_shared);

  [[nodiscard]] bool is_shared() const { return ranks_ > 1; }
  // Whether what merge() gets comes here.
  [[nodiscard]] bool is_first() const { return rank_ == 0; }

  // Which rank has an example.
  [[nodiscard]] std::size_t rank_of(std::size_t example) const {
    return example / kBatch % portions_ % ranks_;
  }

  // Of items that belong to the examples, in their order, those of this rank's batches.
  template <typename T>
  [[nodiscard]] std::vector<T> own(std::span<const T> items) const;

  // What add(sums, batch) makes of the batches of portion after portion, from empty(), goes to
  // merge(portion, sums) on the first rank. `batch` counts the batches of this rank. Sums have
  // put(ByteRecord&) and set(ByteRecordReader&). All ranks call it.
  template <typename Empty, typename Add, typename Merge>
  void sum(const Empty& empty, const Add& add, const Merge& merge) const;

 private:
  std::size_t portions_ = 0;  // batch b is in portion b % portions_, and that is a rank's
  std::size_t ranks_ = 1;
  std::size_t rank_ = 0;
  std::vector<std::size_t> own_;  // the numbers of this rank's batches
};

template <typename T>
std::vector<T> BatchPortions::own(std::span<const T> items) const {
  std::vector<T> own;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (rank_of(i) == rank_) own.push_back(items[i]);
  }
  return own;
}

template <typename Empty, typename Add, typename Merge>
void BatchPortions::sum(const Empty& empty, const Add& add, const Merge& merge) const {
  for (std::size_t first = 0; first < portions_; first += ranks_) {
    auto mine = empty();
    for (std::size_t i = 0; i < own_.size(); ++i) {
      if (own_[i] % portions_ == first + rank_) add(mine, i);
    }
    if (is_first()) merge(first, std::move(mine));
    // One after the other, so that the first rank holds no more than one.
    for (std::size_t rank = 1; rank < std::min(ranks_, portions_ - first); ++rank) {
      ByteRecord record;
      if (rank == rank_) mine.put(record);
      const auto all = ranks().gather(record.bytes());
      if (rank_ != 0) continue;
      ByteRecordReader reader(all[rank], "the sums of a rank");
      auto sums = empty();
      sums.set(reader);
      merge(first + rank, std::move(sums));
    }
  }
}

// Those of the first rank become everyone's. All ranks call it.
void broadcast_weights(std::span<const std::string> names, Weights& weights);

}  // namespace narrow
