// Random numbers that are the same on every machine: a counter-based generator, so that any value
// of any stream can be computed alone and in any order.
#pragma once

#include <cstdint>
#include <string_view>

namespace narrow {

// Stream `name` of `seed`. Value i of the stream is a function of (seed, name, i) only.
class RandomStream {
 public:
  RandomStream(std::uint64_t seed, std::string_view name);

  // 64 uniform bits: SplitMix64's output function (Steele, Lea, Flood, OOPSLA 2014) of a counter.
  std::uint64_t next();
  // Uniform in [0, 1), 53 bits.
  double uniform();
  // Uniform integer in [0, bound), bound > 0, without bias (Lemire, TOMACS 2019).
  std::uint64_t below(std::uint64_t bound);
  // Standard normal (Marsaglia's polar method).
  double normal();
  // Standard normal, values beyond 2 drawn again: TensorFlow's truncated_normal.
  double truncated_normal();

 private:
  std::uint64_t key_;
  std::uint64_t counter_ = 0;
  double spare_ = 0;
  bool has_spare_ = false;
};

}  // namespace narrow
