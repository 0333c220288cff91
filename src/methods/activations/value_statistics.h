// What calibration keeps of a value between operators: its extremes and a histogram, in one pass
// over any number of examples.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace narrow {

// Bins are [i w, (i + 1) w) with w a power of two, as narrow as the largest magnitude allows:
// joined in pairs when a larger one comes. So the result depends neither on the order of the values
// nor on how they were split.
class ValueStatistics {
 public:
  // Bins on each side of 0.
  static constexpr std::int64_t kBins = 4096;

  // Throws Error(kNumeric) for NaN and infinite values.
  void add(std::span<const float> values);
  void add(const ValueStatistics& other);

  [[nodiscard]] std::uint64_t count() const { return count_; }
  // 0 without values.
  [[nodiscard]] double least() const { return least_; }
  [[nodiscard]] double greatest() const { return greatest_; }

  // The values that lie in a bin.
  struct Bin {
    double from = 0;
    double to = 0;
    std::uint64_t count = 0;
  };
  // In ascending order, empty ones left out.
  [[nodiscard]] std::vector<Bin> bins() const;

  bool operator==(const ValueStatistics&) const = default;

 private:
  // Makes bins of a width of 2^exponent, which is not less than the one they have.
  void widen(int exponent);
  void take_extremes(double least, double greatest);

  std::uint64_t count_ = 0;
  double least_ = 0;
  double greatest_ = 0;
  int exponent_ = 0;                   // of the bins' width, when there are any
  std::vector<std::uint64_t> counts_;  // 2 kBins, from -kBins on; empty: every value was 0
  std::uint64_t zeros_ = 0;            // while there are no bins
};

}  // namespace narrow
