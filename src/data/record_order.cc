#include "data/record_order.h"

#include <fmt/format.h>

#include <numeric>
#include <utility>

#include "base/random.h"

namespace narrow {

RecordOrder::Place RecordOrder::at(std::uint64_t position) {
  const std::uint64_t epoch = position / records_;
  const std::uint64_t index = position % records_;
  if (!options_.endless) return {0, index};
  if (!options_.shuffle) return {epoch, index};
  if (epoch != shuffled_epoch_) shuffle(epoch);
  return {epoch, permutation_[index]};
}

void RecordOrder::shuffle(std::uint64_t epoch) {
  permutation_.resize(records_);
  std::iota(permutation_.begin(), permutation_.end(), std::uint64_t{0});
  RandomStream random(options_.seed, fmt::format("data/shuffle/{}", epoch));
  for (std::uint64_t i = records_; i > 1; --i) {
    std::swap(permutation_[i - 1], permutation_[random.below(i)]);
  }
  shuffled_epoch_ = epoch;
}

}  // namespace narrow
