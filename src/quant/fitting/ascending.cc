#include "quant/fitting/ascending.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
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

// Up to so many values: a copy of the keys and another one.
void sort_copied(std::span<float> values) {
  // Below that, counting digits costs more than comparing.
  constexpr std::size_t kShortest = 2048;
  std::vector<std::uint32_t> keys(values.size());
  std::transform(values.begin(), values.end(), keys.begin(), key_of);
  if (keys.size() < kShortest) {
    std::sort(keys.begin(), keys.end());
  } else {
    sort_by_digits(&keys);
  }
  std::transform(keys.begin(), keys.end(), values.begin(), value_of);
}

// Puts values with the same digit beside each other, in the order of the digits, and gives where
// each part ends. In place: a value takes the next place of its part and the value from there the
// next place of its own (McIlroy, Bostic and McIlroy, "Engineering Radix Sort", 1993).
std::vector<std::size_t> part_by_digit(std::span<float> values, std::size_t digit) {
  std::vector<std::size_t> ends(kDigitValues);
  for (const float value : values) ++ends[digit_of(key_of(value), digit)];
  std::partial_sum(ends.begin(), ends.end(), ends.begin());
  std::vector<std::size_t> next(kDigitValues);
  std::copy(ends.begin(), ends.end() - 1, next.begin() + 1);
  for (std::size_t part = 0; part < kDigitValues; ++part) {
    while (next[part] < ends[part]) {
      float value = values[next[part]];
      for (auto own = digit_of(key_of(value), digit); own != part;
           own = digit_of(key_of(value), digit)) {
        std::swap(value, values[next[own]++]);
      }
      values[next[part]++] = value;
    }
  }
  return ends;
}

// Values whose keys have the same digits above `digits`.
void sort_digits(std::span<float> values, std::size_t digits) {
  constexpr std::size_t kMostCopied = std::size_t{1} << 20;
  if (digits == 0 || values.size() <= 1) return;
  if (values.size() <= kMostCopied) return sort_copied(values);
  std::size_t begin = 0;
  for (const std::size_t end : part_by_digit(values, digits - 1)) {
    sort_digits(values.subspan(begin, end - begin), digits - 1);
    begin = end;
  }
}

}  // namespace

void sort_ascending(std::span<float> values) { sort_digits(values, kDigits); }

}  // namespace narrow
