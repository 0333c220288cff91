#include "quant/fitting/block_values.h"

#include <algorithm>

#include "base/parallel.h"
#include "quant/elements/element_chunk.h"
#include "quant/fitting/ascending.h"

namespace narrow {

BlockValues::BlockValues(DType dtype, const BlockLayout& layout) : dtype_(dtype), layout_(layout) {}

void BlockValues::add(std::span<const std::byte> elements) {
  const std::size_t count = elements.size() / element_size(dtype_);
  const std::size_t begin = values_.size();
  if (begin == 0) values_.reserve(layout_.elements);  // growing would take twice that for a moment
  values_.resize(begin + count);
  load_as_float(dtype_, elements.data(), count, values_.data() + begin);
}

void BlockValues::sort() {
  if (layout_.kind != BlockLayout::Kind::kLocal && layout_.period() < layout_.elements) gather();
  parallel_for(layout_.blocks, [this](std::size_t block) {
    const std::uint64_t begin = block_begin(block);
    sort_ascending(std::span(values_).subspan(begin, block_begin(block + 1) - begin));
  });
}

std::span<const float> BlockValues::ascending(std::uint64_t block) const {
  const std::uint64_t begin = block_begin(block);
  return std::span(values_).subspan(begin, block_begin(block + 1) - begin);
}

// Contiguous blocks have one run each, but for the last; others have the same number of runs.
std::uint64_t BlockValues::block_begin(std::uint64_t block) const {
  const bool is_contiguous = layout_.period() >= layout_.elements;
  const std::uint64_t size = is_contiguous ? layout_.run : layout_.elements / layout_.blocks;
  return std::min(block * size, layout_.elements);
}

void BlockValues::gather() {
  std::vector<float> gathered(values_.size());
  parallel_for(layout_.blocks, [&](std::size_t block) {
    auto to = gathered.begin() + static_cast<std::ptrdiff_t>(block_begin(block));
    for (std::uint64_t from = block * layout_.run; from < values_.size();
         from += layout_.period()) {
      to = std::copy_n(values_.begin() + static_cast<std::ptrdiff_t>(from), layout_.run, to);
    }
  });
  values_ = std::move(gathered);
}

}  // namespace narrow
