#include "quant/blocks/block_layout.h"

#include <algorithm>
#include <string>

#include "narrow/error.h"
#include "quant/kernels/kernel_table.h"

namespace narrow {
namespace {

// Shorter runs of a repeating channel axis are handled position by position.
constexpr std::uint64_t kShortestRun = 64;
constexpr std::uint64_t kShortestTable = 256;
constexpr std::uint64_t kLongestRepeatedTable = 4096;
// Constants are some 50 bytes a position of a row and 100 bytes a run, where a file may have 3
// bytes of parameters. More than so many (10 MB) are not kept, whatever the file says.
constexpr std::uint64_t kMostStoredPositions = std::uint64_t{1} << 18;
constexpr std::uint64_t kMostStoredRuns = std::uint64_t{1} << 16;

BlockLayout contiguous(std::uint64_t elements, std::uint64_t block_size) {
  BlockLayout layout;
  layout.elements = elements;
  layout.run = std::max<std::uint64_t>(1, std::min(block_size, elements));
  layout.blocks = elements / layout.run + (elements % layout.run != 0 ? 1 : 0);
  layout.kind = layout.run <= kPieceElements ? BlockLayout::Kind::kLocal : BlockLayout::Kind::kRuns;
  return layout;
}

// The channel axes, counted from the first of the shape: [begin, end).
struct AxisSpan {
  std::size_t begin = 0;
  std::size_t end = 0;
};

AxisSpan axes_of(const Granularity& granularity, const TensorInfo& info, int default_axis) {
  const int rank = static_cast<int>(info.shape.size());
  const int axis = granularity.axis.value_or(default_axis);
  const int count = granularity.axis.has_value() ? granularity.axis_count : 1;
  const int begin = axis < 0 ? axis + rank : axis;
  if (axis < -rank || axis >= rank || count < 1 || count > rank - begin) {
    const std::string last = count > 1 ? " to " + std::to_string(axis + count - 1) : "";
    throw Error(ErrorCategory::kUsage,
                "channel axis " + std::to_string(axis) + last + " is outside the shape " +
                    to_string(info.shape) + " of tensor " + info.name + ": use " +
                    std::to_string(-rank) + " to " + std::to_string(rank - 1),
                {Remedy::Kind::kChannelAxes});
  }
  return {static_cast<std::size_t>(begin), static_cast<std::size_t>(begin + count)};
}

std::uint64_t product(const Shape& shape, AxisSpan axes) {
  std::uint64_t size = 1;
  for (std::size_t i = axes.begin; i < axes.end; ++i) {
    size *= static_cast<std::uint64_t>(shape[i]);
  }
  return size;
}

BlockLayout::Kind kind_of_repeating(const BlockLayout& layout) {
  const bool has_long_runs = layout.run >= kShortestRun;
  const bool are_many =
      has_long_runs ? layout.blocks > kMostStoredRuns : layout.period() > kMostStoredPositions;
  if (are_many) return BlockLayout::Kind::kMany;
  return has_long_runs ? BlockLayout::Kind::kRuns : BlockLayout::Kind::kRows;
}

}  // namespace

BlockLayout block_layout(const Granularity& granularity, const TensorInfo& info, int default_axis) {
  const std::uint64_t elements = element_count(info.shape);
  if (granularity.kind == Granularity::Kind::kGroup) {
    return contiguous(elements, static_cast<std::uint64_t>(granularity.group_size));
  }
  if (granularity.kind == Granularity::Kind::kTensor || info.shape.size() < 2) {
    return contiguous(elements, elements);
  }
  const AxisSpan axes = axes_of(granularity, info, default_axis);
  if (elements == 0) return contiguous(0, 0);
  BlockLayout layout;
  layout.elements = elements;
  layout.blocks = product(info.shape, axes);
  layout.run = product(info.shape, {axes.end, info.shape.size()});
  if (layout.period() == elements) return contiguous(elements, layout.run);
  if (layout.blocks == 1) return contiguous(elements, elements);
  layout.kind = kind_of_repeating(layout);
  return layout;
}

std::uint64_t BlockLayout::piece_elements() const {
  return kind == Kind::kLocal ? kPieceElements / run * run : kPieceElements;
}

BlockLayout::Blocks BlockLayout::blocks_with_piece(std::uint64_t first) const {
  if (kind == Kind::kRuns || kind == Kind::kRows) return {0, first == 0 ? blocks : 0};
  const auto blocks_before = [this](std::uint64_t element) {
    return std::min(blocks, element / run + (element % run != 0 ? 1 : 0));
  };
  const std::uint64_t begin = blocks_before(first);
  return {begin, blocks_before(std::min(elements, first + piece_elements())) - begin};
}

RowPeriod row_period(const BlockLayout& layout) {
  const std::uint64_t period = layout.period();
  for (std::uint64_t table = period; table <= kLongestRepeatedTable; table += period) {
    if (table >= kShortestTable && table % kLanes == 0) return {table, 0};
  }
  return {period, period % kLanes == 0 ? 0 : kChunk};
}

}  // namespace narrow
