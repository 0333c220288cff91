#include "quant/tensor_grid.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "narrow/error.h"
#include "quant/fit_values.h"

namespace narrow {
namespace {

// Calls body(begin, length) for the parts of [first, first + count) that lie in one run each.
template <typename Body>
void for_each_run(const BlockLayout& layout, std::size_t first, std::size_t count,
                  const Body& body) {
  const std::size_t run = layout.blocks == 1 ? layout.elements : layout.run;
  for (std::size_t done = 0; done < count;) {
    const std::size_t length = std::min(run - (first + done) % run, count - done);
    body(done, length);
    done += length;
  }
}

}  // namespace

TensorGrid::TensorGrid(std::span<const float> values, const Scheme& scheme, const TensorInfo& info,
                       int default_axis)
    : scheme_(scheme), layout_(block_layout(scheme.granularity, info, default_axis)) {
  std::vector<float> block_values;
  for (std::uint64_t block = 0; block < layout_.blocks; ++block) {
    block_values.clear();
    for (std::uint64_t begin = block * layout_.run; begin < layout_.elements;
         begin += layout_.period()) {
      const auto part = values.subspan(begin, std::min(layout_.run, layout_.elements - begin));
      block_values.insert(block_values.end(), part.begin(), part.end());
    }
    ValueFit fitted = fit_values(block_values, scheme_);
    params_.push_back(std::move(fitted.params));
    clipped_values_ += fitted.clipped;
  }
  measure_blocks();
}

TensorGrid::TensorGrid(std::vector<BlockParams> params, const Scheme& scheme,
                       const TensorInfo& info, int default_axis)
    : scheme_(scheme),
      layout_(block_layout(scheme.granularity, info, default_axis)),
      params_(std::move(params)) {
  if (params_.size() != layout_.blocks) {
    throw Error(ErrorCategory::kUsage, fmt::format("{} has {} blocks, found parameters of {}",
                                                   info.name, layout_.blocks, params_.size()));
  }
  measure_blocks();
}

TensorGrid::TensorGrid(double bound, const Scheme& scheme, const TensorInfo& info)
    : scheme_(scheme), layout_(block_layout({}, info, 0)) {
  params_.assign(layout_.blocks, fit_range(-bound, bound, scheme_));
  measure_blocks();
}

void TensorGrid::measure_blocks() {
  for (const BlockParams& params : params_) {
    const CodeRange range = code_range(scheme_, params);
    codes_.push_back(range);
    const std::array<std::int64_t, 2> ends = {range.min, range.max};
    std::array<float, 2> values = {};
    narrow::decode(ends, scheme_, params, values);
    const auto intervals = static_cast<double>(range.max - range.min);
    steps_.push_back(intervals > 0 ? (static_cast<double>(values[1]) - values[0]) / intervals : 0);
  }
}

void TensorGrid::encode(std::size_t first, std::span<const float> values,
                        std::span<std::int64_t> codes) const {
  for_each_run(layout_, first, values.size(), [&](std::size_t begin, std::size_t length) {
    narrow::encode(values.subspan(begin, length), scheme_, params_[block_of(first + begin)],
                   codes.subspan(begin, length));
  });
}

void TensorGrid::decode(std::size_t first, std::span<const std::int64_t> codes,
                        std::span<float> restored) const {
  for_each_run(layout_, first, codes.size(), [&](std::size_t begin, std::size_t length) {
    narrow::decode(codes.subspan(begin, length), scheme_, params_[block_of(first + begin)],
                   restored.subspan(begin, length));
  });
}

std::uint64_t TensorGrid::count_overflow(std::span<const float> values) const {
  std::vector<float> restored(values.size());
  std::uint64_t count = 0;
  for_each_run(layout_, 0, values.size(), [&](std::size_t begin, std::size_t length) {
    count += round_trip(values.subspan(begin, length), scheme_, params_[block_of(begin)],
                        std::span(restored).subspan(begin, length))
                 .overflowed;
  });
  return count;
}

const CodeRange& TensorGrid::codes_of(std::size_t element) const {
  return codes_[block_of(element)];
}

double TensorGrid::step_of(std::size_t element) const { return steps_[block_of(element)]; }

}  // namespace narrow
