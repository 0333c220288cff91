// The least size that passes a test which larger sizes pass more often than smaller ones.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

namespace narrow {

// What was found at a size asked for.
struct SizeTrial {
  bool passes = false;
  std::uint64_t size = 0;  // that it really has, at most the one asked for
};

struct SizeSearch {
  std::uint64_t least = 0;
  std::uint64_t most = 0;
  std::uint64_t start = 0;  // within the two
  std::uint64_t step = 1;   // to the next size until one passes and one does not
  // The search ends when no more than this lies between a size that fails and one that passes.
  std::uint64_t resolution = 1;
  int most_trials = 1;
};

// Steps down from `start` while sizes pass, or up, each step twice the one before, while they do
// not, then halves what lies between.
// Gives the least size that passed; none when no trial did.
std::optional<std::uint64_t> least_passing_size(
    const SizeSearch& search, const std::function<SizeTrial(std::uint64_t)>& attempt);

}  // namespace narrow
