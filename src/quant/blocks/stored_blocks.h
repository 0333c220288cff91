// The constants of a tensor's blocks in the form in which the kernels of its layout read them, and
// the walk over values part by part.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "quant/blocks/block_layout.h"
#include "quant/blocks/codebook_tables.h"
#include "quant/blocks/row_tables.h"
#include "quant/kernels/kernel_table.h"

namespace narrow {

class StoredBlocks {
 public:
  StoredBlocks() = default;
  // `blocks`: of every block of a layout that is not local, in order.
  StoredBlocks(const BlockLayout& layout, Rule rule, std::vector<BlockConstants> blocks) {
    if (layout.kind == BlockLayout::Kind::kRows) {
      rows_ = RowTables(layout, rule, blocks);
    } else {
      blocks_ = std::move(blocks);
    }
  }

  // Codebooks of 2^bits levels, of every block in order. Throws what CodebookTables::set throws.
  StoredBlocks(const BlockLayout& layout, int bits, std::span<const BlockParams> params) {
    auto tables = std::make_shared<CodebookTables>(bits, params.size());
    std::vector<BlockConstants> constants;
    for (std::size_t i = 0; i < params.size(); ++i) {
      tables->set(i, params[i].levels);
      constants.push_back(tables->constants(i));
    }
    *this = StoredBlocks(layout, Rule::kCodebook, std::move(constants));
    codebooks_ = std::move(tables);
  }

  // Calls body(offset, length, constants, kernels) for the parts of the `count` elements from
  // `position` on that share a table of constants. A local layout has none stored: it asks
  // local(position) for those of the block there.
  template <typename Local, typename Body>
  void for_each_part(const BlockLayout& layout, Rule rule, std::uint64_t position,
                     std::size_t count, const Local& local, const Body& body) const {
    const KernelTable& table = kernels();
    const auto index = static_cast<std::size_t>(rule);
    const bool is_rows = layout.kind == BlockLayout::Kind::kRows;
    for (std::size_t offset = 0; offset < count;) {
      const std::uint64_t at = position + offset;
      const std::uint64_t run = is_rows ? rows_.run_from(at) : layout.run - at % layout.run;
      const std::size_t part = std::min<std::uint64_t>(run, count - offset);
      if (is_rows) {
        body(offset, part, rows_.at(at), table.rows[index]);
      } else if (layout.kind == BlockLayout::Kind::kRuns) {
        body(offset, part, blocks_[layout.block_of(at)], table.block[index]);
      } else {
        const BlockConstants& constants = local(at);
        body(offset, part, constants, table.block[index]);
      }
      offset += part;
    }
  }

 private:
  std::vector<BlockConstants> blocks_;  // of layouts with long runs
  RowTables rows_;
  std::shared_ptr<const CodebookTables> codebooks_;  // what the constants of codebooks refer to
};

}  // namespace narrow
