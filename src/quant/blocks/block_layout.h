// Which block every element of a tensor belongs to.
#pragma once

#include <cstdint>

#include "narrow/scheme.h"
#include "narrow/tensor.h"

namespace narrow {

// Pieces of the second pass have this many elements, or for smaller blocks the greatest multiple of
// the block size that is not above it.
constexpr std::uint64_t kPieceElements = 262144;

// Element e belongs to block (e / run) % blocks.
struct BlockLayout {
  enum class Kind {
    kLocal,  // contiguous blocks of at most kPieceElements: fitted where they are quantized
    kRuns,   // long runs of one block each: constants are stored
    kRows,   // short runs that repeat: constants are stored for every position of a period
    kMany,   // more of either: parameters are stored, constants computed where they are needed
  };
  Kind kind = Kind::kLocal;
  std::uint64_t elements = 0;
  std::uint64_t run = 1;     // consecutive elements of one block, at least 1
  std::uint64_t blocks = 0;  // 0 for a tensor without elements

  [[nodiscard]] std::uint64_t piece_elements() const;
  // Elements after which blocks repeat.
  [[nodiscard]] std::uint64_t period() const { return run * blocks; }
  [[nodiscard]] std::uint64_t block_of(std::uint64_t element) const {
    return element / run % blocks;
  }

  struct Blocks {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
  };
  // Those whose parameters come with the piece that begins at element `first`: the blocks that
  // begin in it for the first time; where constants are stored, all of them with the first piece.
  [[nodiscard]] Blocks blocks_with_piece(std::uint64_t first) const;
};

// Throws Error(kUsage) for channel axes outside the shape; tensors of rank 0 and 1 have no axis.
// `default_axis` is for a granularity that names none.
BlockLayout block_layout(const Granularity& granularity, const TensorInfo& info, int default_axis);

// Rows repeat with a period that may be short or odd. Tables for them hold `period` positions and
// `extra` more that repeat the first ones, so that a loop meets the end of a table seldom, and
// always after a multiple of kLanes values from the start of a chunk.
struct RowPeriod {
  std::uint64_t period = 0;
  std::uint64_t extra = 0;
};
RowPeriod row_period(const BlockLayout& layout);

}  // namespace narrow
