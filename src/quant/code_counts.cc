#include "quant/code_counts.h"

#include <algorithm>
#include <cmath>

namespace narrow {
namespace {

constexpr int kWidestManyTables = 10;
constexpr std::size_t kManyTables = 4;

}  // namespace

void CodeCounts::merge(const CodeCounts& other) {
  if (counts.size() < other.counts.size()) counts.resize(other.counts.size());
  for (std::size_t i = 0; i < other.counts.size(); ++i) counts[i] += other.counts[i];
}

std::uint64_t CodeCounts::used() const {
  return static_cast<std::uint64_t>(
      std::count_if(counts.begin(), counts.end(), [](std::uint64_t count) { return count > 0; }));
}

double CodeCounts::entropy_bits() const {
  double total = 0;
  for (const std::uint64_t count : counts) total += static_cast<double>(count);
  double bits = 0;
  for (const std::uint64_t count : counts) {
    if (count == 0) continue;
    const double share = static_cast<double>(count) / total;
    bits -= share * std::log2(share);
  }
  return std::max(bits, 0.0);
}

CodeCounter::CodeCounter(int bits, CodeCounts* total) : total_(total) {
  if (total == nullptr || bits > CodeCounts::kMaxBits) return;
  codes_ = std::size_t{1} << bits;
  tables_ = bits <= kWidestManyTables ? kManyTables : 1;
  indices_.resize(kChunk);
  counts_.resize(codes_ * tables_);
}

void CodeCounter::add_chunk(std::size_t count) {
  if (indices_.empty()) return;
  // Values that were not scanned could give codes outside the range.
  const std::size_t last = codes_ - 1;
  const auto slot = [&](std::size_t i) {
    return std::min<std::size_t>(static_cast<std::uint32_t>(indices_[i]), last);
  };
  std::size_t i = 0;
  for (; tables_ == kManyTables && i + kManyTables <= count; i += kManyTables) {
    ++counts_[slot(i)];
    ++counts_[codes_ + slot(i + 1)];
    ++counts_[2 * codes_ + slot(i + 2)];
    ++counts_[3 * codes_ + slot(i + 3)];
  }
  for (; i < count; ++i) ++counts_[slot(i)];
}

void CodeCounter::finish() {
  if (indices_.empty()) return;
  if (total_->counts.size() < codes_) total_->counts.resize(codes_);
  for (std::size_t i = 0; i < counts_.size(); ++i) total_->counts[i % codes_] += counts_[i];
}

}  // namespace narrow
