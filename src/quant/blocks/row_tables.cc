#include "quant/blocks/row_tables.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace narrow {
namespace {

using Source = double BlockConstants::*;
using Target = const double* RowConstants::*;

std::vector<std::pair<Source, Target>> columns_of(Rule rule,
                                                  std::span<const BlockConstants> blocks) {
  std::vector<std::pair<Source, Target>> columns = {{&BlockConstants::up, &RowConstants::up},
                                                    {&BlockConstants::down, &RowConstants::down},
                                                    {&BlockConstants::min, &RowConstants::min},
                                                    {&BlockConstants::max, &RowConstants::max}};
  if (rule == Rule::kBin || rule == Rule::kDivided || rule == Rule::kCodebook) {
    columns.emplace_back(&BlockConstants::offset, &RowConstants::offset);
  }
  if (rule == Rule::kDecimal) {
    columns.emplace_back(&BlockConstants::first_up, &RowConstants::first_up);
    columns.emplace_back(&BlockConstants::last_down, &RowConstants::last_down);
  }
  if (std::ranges::any_of(blocks, &BlockConstants::overflows)) {
    columns.emplace_back(&BlockConstants::below, &RowConstants::below);
    columns.emplace_back(&BlockConstants::above, &RowConstants::above);
  }
  return columns;
}

}  // namespace

RowTables::RowTables(const BlockLayout& layout, Rule rule, std::span<const BlockConstants> blocks)
    : rows_(row_period(layout)), codebook_(blocks.front().codebook), modes_(blocks.front().modes) {
  for (const auto& [source, target] : columns_of(rule, blocks)) {
    const double first = blocks.front().*source;
    Column column{source, target, {}, true};
    // Bits, not numbers: the zeros of both signs differ in what they restore to.
    column.constant = std::all_of(blocks.begin(), blocks.end(), [&, s = source](const auto& block) {
      return std::bit_cast<std::uint64_t>(block.*s) == std::bit_cast<std::uint64_t>(first);
    });
    if (column.constant) {
      column.values.assign(kChunk + kRowPadding, first);
    } else {
      column.values.reserve(rows_.period + rows_.extra + kRowPadding);
      for (std::uint64_t i = 0; i < rows_.period + rows_.extra + kRowPadding; ++i) {
        column.values.push_back(blocks[layout.block_of(i)].*source);
      }
    }
    columns_.push_back(std::move(column));
  }
}

RowConstants RowTables::at(std::uint64_t element) const {
  const std::uint64_t phase = element % rows_.period;
  RowConstants constants;
  constants.codebook = codebook_;
  constants.modes = modes_;
  for (const Column& column : columns_) {
    constants.*column.target = column.values.data() + (column.constant ? 0 : phase);
  }
  return constants;
}

std::uint64_t RowTables::run_from(std::uint64_t element) const {
  return std::min<std::uint64_t>(kChunk, rows_.period + rows_.extra - element % rows_.period);
}

}  // namespace narrow
