// Elements come in order, cut anywhere, as float32 or converted to it chunk by chunk. By layout:
// - rows (channels alternate): least and greatest key for every position of a period, so that the
//   kernel never looks for a block; finish() folds the positions of a block into one range.
// - runs: the longest part within one run goes to the kernel, its range extends the block's.
// - local blocks: the same into current_, which is closed at the end of the block and kept, up to
//   kMaxKeptBlocks; after these whole parts are scanned only for values that are not finite.
// Keys are integers that order floats totally, with NaN and infinities at the ends: a part is
// searched for them again only when its range says that there are some.
#include "quant/blocks/range_scan.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "narrow/error.h"
#include "quant/blocks/block_fit.h"
#include "quant/elements/element_chunk.h"

namespace narrow {
namespace {

void extend(KeyRange* range, const KeyRange& other) {
  range->min = std::min(range->min, other.min);
  range->max = std::max(range->max, other.max);
}

// Calls body(values, count) for the elements as float32, all at once when they are that already.
template <typename Body>
void for_each_float_chunk(DType dtype, const std::byte* elements, std::size_t count,
                          const Body& body) {
  if (dtype == DType::kFloat32 &&
      reinterpret_cast<std::uintptr_t>(elements) % alignof(float) == 0) {
    body(reinterpret_cast<const float*>(elements), count);
    return;
  }
  std::array<float, kChunk> values;
  for (std::size_t done = 0; done < count; done += kChunk) {
    const std::size_t part = std::min(kChunk, count - done);
    load_as_float(dtype, elements + done * element_size(dtype), part, values.data());
    body(values.data(), part);
  }
}

}  // namespace

KeyRange range_of(DType dtype, const std::byte* elements, std::size_t count) {
  KeyRange range;
  const KernelTable& table = kernels();
  for_each_float_chunk(dtype, elements, count, [&](const float* values, std::size_t part) {
    table.scan(values, part, &range);
  });
  return range;
}

RangeScan::RangeScan(const Scheme& scheme, DType dtype, const BlockLayout& layout)
    : scheme_(scheme),
      dtype_(dtype),
      layout_(layout),
      can_clip_(scheme.kind == SchemeKind::kFixedPoint && scheme.scaling == Scaling::kDecimal) {
  if (layout.kind == BlockLayout::Kind::kRows) {
    rows_ = row_period(layout);
    min_keys_.assign(rows_.period, KeyRange().min);
    max_keys_.assign(rows_.period, KeyRange().max);
  } else if (layout.kind != BlockLayout::Kind::kLocal) {
    ranges_.resize(layout.blocks);
  }
}

void RangeScan::scan(std::span<const std::byte> elements) {
  const std::size_t size = element_size(dtype_);
  const std::uint64_t count = elements.size() / size;
  if (elements.size() % size != 0 || count > layout_.elements - position_) {
    throw Error(ErrorCategory::kUsage, "scan was given " + std::to_string(elements.size()) +
                                           " bytes where the tensor has " +
                                           std::to_string(layout_.elements - position_) +
                                           " elements of " + std::to_string(size) + " bytes left");
  }
  for_each_float_chunk(dtype_, elements.data(), count,
                       [&](const float* values, std::size_t part) { scan_values(values, part); });
}

void RangeScan::scan_values(const float* values, std::uint64_t count) {
  while (count > 0) {
    KeyRange part;
    const std::uint64_t length = layout_.kind == BlockLayout::Kind::kRows
                                     ? scan_row_part(values, count, &part)
                                     : scan_block_part(values, count, &part);
    if (!all_finite(part)) count_non_finite(values, length);
    extend(&whole_, part);
    position_ += length;
    values += length;
    count -= length;
  }
}

std::uint64_t RangeScan::scan_row_part(const float* values, std::uint64_t count, KeyRange* part) {
  const std::uint64_t phase = position_ % rows_.period;
  const std::uint64_t length = std::min(count, rows_.period - phase);
  kernels().scan_rows(values, length, &min_keys_[phase], &max_keys_[phase], part);
  return length;
}

std::uint64_t RangeScan::scan_block_part(const float* values, std::uint64_t count, KeyRange* part) {
  const bool local = layout_.kind == BlockLayout::Kind::kLocal;
  const std::uint64_t phase = position_ % layout_.run;
  if (local && phase == 0 && ranges_.size() == kMaxKeptBlocks && !can_clip_) {
    kernels().scan(values, count, part);
    return count;
  }
  const std::uint64_t length = std::min(count, layout_.run - phase);
  kernels().scan(values, length, part);
  if (!local) {
    extend(&ranges_[layout_.block_of(position_)], *part);
    return length;
  }
  extend(&current_, *part);
  if (phase + length == layout_.run || position_ + length == layout_.elements) {
    close_block(current_);
    current_ = KeyRange();
  }
  return length;
}

void RangeScan::close_block(const KeyRange& range) {
  if (ranges_.size() < kMaxKeptBlocks) ranges_.push_back(range);
  if (can_clip_ && all_finite(range) &&
      fit_checked_range(value_of_key(range.min), value_of_key(range.max), scheme_).clips) {
    ++clipped_blocks_;
  }
}

void RangeScan::count_non_finite(const float* values, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) {
    if (std::isfinite(values[i])) continue;
    if (non_finite_.count == 0) non_finite_.first_index = position_ + i;
    ++non_finite_.count;
  }
}

void RangeScan::finish() {
  if (position_ != layout_.elements) {
    throw Error(ErrorCategory::kUsage, "the scan ended after " + std::to_string(position_) +
                                           " of " + std::to_string(layout_.elements) + " elements");
  }
  if (layout_.kind == BlockLayout::Kind::kLocal) return;
  if (layout_.kind == BlockLayout::Kind::kRows) fold_rows();
  if (!can_clip_) return;
  for (const KeyRange& range : ranges_) {
    if (!all_finite(range)) continue;
    const BlockParams params =
        fit_checked_range(value_of_key(range.min), value_of_key(range.max), scheme_);
    if (params.clips) ++clipped_blocks_;
  }
}

void RangeScan::fold_rows() {
  ranges_.assign(layout_.blocks, KeyRange());
  for (std::uint64_t i = 0; i < rows_.period; ++i) {
    extend(&ranges_[layout_.block_of(i)], {min_keys_[i], max_keys_[i]});
  }
  min_keys_ = {};
  max_keys_ = {};
}

}  // namespace narrow
