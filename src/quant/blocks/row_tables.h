// Block constants for every position of a row, as the row kernels read them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quant/blocks/block_layout.h"
#include "quant/kernels/kernel_table.h"

namespace narrow {

class RowTables {
 public:
  RowTables() = default;
  // `blocks`: the constants of every block of the layout, in order.
  RowTables(const BlockLayout& layout, Rule rule, std::span<const BlockConstants> blocks);

  // Constants from the position of element `element` on.
  [[nodiscard]] RowConstants at(std::uint64_t element) const;
  // How many elements from there on the tables serve without a break.
  [[nodiscard]] std::uint64_t run_from(std::uint64_t element) const;

 private:
  struct Column {
    double BlockConstants::*source;
    const double* RowConstants::*target;
    std::vector<double> values;
    bool constant;  // the same for all blocks: one short table serves every position
  };
  RowPeriod rows_;
  CodebookView codebook_;
  const FormatModes* modes_ = nullptr;
  std::vector<Column> columns_;
};

}  // namespace narrow
