// Which record stands at which place of the sequence of images that a network sees.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

namespace narrow {

struct RecordOrderOptions {
  bool endless =
      false;            // epoch after epoch; otherwise one pass in file order, again from its start
  bool shuffle = true;  // endless: every epoch is a permutation drawn from seed and epoch
  std::uint64_t seed = 0;
};

class RecordOrder {
 public:
  struct Place {
    std::uint64_t epoch = 0;
    std::uint64_t record = 0;
  };

  RecordOrder(std::uint64_t records, const RecordOrderOptions& options)
      : records_(records), options_(options) {}

  // Cheap while `position` stays in one epoch. Not to be used from several threads at once.
  Place at(std::uint64_t position);

 private:
  void shuffle(std::uint64_t epoch);

  std::uint64_t records_;
  RecordOrderOptions options_;
  std::vector<std::uint64_t> permutation_;
  std::uint64_t shuffled_epoch_ = std::numeric_limits<std::uint64_t>::max();
};

}  // namespace narrow
