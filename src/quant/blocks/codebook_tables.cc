#include "quant/blocks/codebook_tables.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "narrow/error.h"

namespace narrow {
namespace {

void check(std::span<const float> levels, std::size_t count) {
  const auto refuse = [](const std::string& sentence) {
    throw Error(ErrorCategory::kUsage, sentence);
  };
  if (levels.size() != count) {
    refuse("a codebook has " + std::to_string(levels.size()) + " levels instead of " +
           std::to_string(count));
  }
  const auto is_finite = [](float level) { return std::isfinite(level); };
  if (!std::ranges::all_of(levels, is_finite) || !std::ranges::is_sorted(levels)) {
    refuse("the levels of a codebook must be finite and in ascending order");
  }
}

}  // namespace

CodebookTables::CodebookTables(int bits, std::size_t blocks)
    : count_(std::size_t{1} << bits), levels_(count_ * blocks), thresholds_(count_ * blocks) {}

void CodebookTables::set(std::size_t block, std::span<const float> levels) {
  check(levels, count_);
  double* const to = levels_.data() + block * count_;
  double* const thresholds = thresholds_.data() + block * count_;
  std::copy(levels.begin(), levels.end(), to);
  for (std::size_t i = 1; i < count_; ++i) thresholds[i] = (to[i - 1] + to[i]) / 2;
}

BlockConstants CodebookTables::constants(std::size_t block) const {
  BlockConstants constants;
  constants.offset = static_cast<double>(block * count_);
  constants.max = static_cast<double>(count_ - 1);
  constants.codebook = {levels_.data(), thresholds_.data(), count_ / 2};
  return constants;
}

}  // namespace narrow
