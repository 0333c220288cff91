#include "quant/fitting/ascending.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace narrow {
namespace {

constexpr std::uint32_t kSign = 0x80000000;

// Unsigned integers in the order of the floats.
std::uint32_t key_of(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return (bits & kSign) != 0 ? ~bits : bits | kSign;
}

float value_of(std::uint32_t key) {
  return std::bit_cast<float>((key & kSign) != 0 ? key & ~kSign : ~key);
}

// Keys are sorted digit by digit from the last one (Knuth, volume 3, 5.2.5).
constexpr std::size_t kDigits = 3;
constexpr std::uint32_t kDigitBits = 11;
constexpr std::size_t kDigitValues = std::size_t{1} << kDigitBits;
using Histogram = std::array<std::uint32_t, kDigitValues>;

std::uint32_t digit_of(std::uint32_t key, std::size_t digit) {
  return key >> (kDigitBits * digit) & (kDigitValues - 1);
}

std::array<Histogram, kDigits> count_digits(const std::vector<std::uint32_t>& keys) {
  std::array<Histogram, kDigits> histograms{};
  for (const std::uint32_t key : keys) {
    for (std::size_t digit = 0; digit < kDigits; ++digit) {
      ++histograms[digit][digit_of(key, digit)];
    }
  }
  return histograms;
}

void sort_by_digits(std::vector<std::uint32_t>* keys) {
  std::array<Histogram, kDigits> histograms = count_digits(*keys);
  std::vector<std::uint32_t> sorted(keys->size());
  for (std::size_t digit = 0; digit < kDigits; ++digit) {
    Histogram& places = histograms[digit];
    std::uint32_t place = 0;
    for (std::uint32_t& count : places) {
      const std::uint32_t next = place + count;
      count = place;
      place = next;
    }
    for (const std::uint32_t key : *keys) sorted[places[digit_of(key, digit)]++] = key;
    keys->swap(sorted);
  }
}

}  // namespace

void sort_ascending(std::span<float> values) {
  // Below that, counting digits costs more than comparing; above, places would not fit.
  constexpr std::size_t kShortest = 2048;
  constexpr std::size_t kLongest = UINT32_MAX;
  std::vector<std::uint32_t> keys(values.size());
  std::transform(values.begin(), values.end(), keys.begin(), key_of);
  if (keys.size() < kShortest || keys.size() > kLongest) {
    std::sort(keys.begin(), keys.end());
  } else {
    sort_by_digits(&keys);
  }
  std::transform(keys.begin(), keys.end(), values.begin(), value_of);
}

}  // namespace narrow
