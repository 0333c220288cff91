#include "stream/selection/float8_scales.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>

namespace narrow {
namespace {

// Of DeepSeek's and most other checkpoints with blocks.
constexpr std::uint64_t kUsualBlock = 128;
constexpr std::array<std::uint64_t, 7> kBlocks = {8, 16, 32, 64, 256, 512, 1024};

std::uint64_t parts(std::uint64_t size, std::uint64_t block) { return (size + block - 1) / block; }

// The length of equal blocks, or 0.
std::uint64_t block_of_axis(std::uint64_t size, std::uint64_t count) {
  if (count == 1) return std::max<std::uint64_t>(size, 1);
  if (count == size) return 1;
  if (count == parts(size, kUsualBlock)) return kUsualBlock;
  return count > 0 && size % count == 0 ? size / count : 0;
}

}  // namespace

std::optional<Float8Scales> Float8Scales::of_shapes(const Shape& weight, const Shape& scale) {
  Float8Scales scales;
  if (std::ranges::all_of(scale, [](std::int64_t size) { return size == 1; })) return scales;
  if (weight.empty()) return std::nullopt;
  Shape counts = scale;
  if (counts.size() == 1 && counts.front() == weight.front()) {
    counts.resize(weight.size(), 1);  // [rows]
  }
  if (counts.size() != weight.size()) return std::nullopt;
  bool is_regular = true;
  bool has_odd_parts = false;  // equal ones of a length that nobody chooses
  for (std::size_t i = 0; i < weight.size(); ++i) {
    const auto size = static_cast<std::uint64_t>(weight[i]);
    const auto count = static_cast<std::uint64_t>(counts[i]);
    const std::uint64_t block = block_of_axis(size, count);
    is_regular = is_regular && block > 0;
    has_odd_parts |= count != 1 && block != 0 && !std::has_single_bit(block);
    scales.axes_.push_back({size, block, count});
  }
  if (is_regular && !has_odd_parts) return scales;
  // A block of another length for all axes, the last of which is cut short.
  const auto is_cut = [](const Axis& axis) { return axis.count != 1 && axis.count != axis.size; };
  std::vector<std::uint64_t> fitting;
  for (const std::uint64_t block : kBlocks) {
    const auto fits = [&](const Axis& axis) {
      return !is_cut(axis) || axis.count == parts(axis.size, block);
    };
    if (std::ranges::all_of(scales.axes_, fits)) fitting.push_back(block);
  }
  // Either reading may be meant: 320 in 2 parts are 160 and 160, or 256 and 64.
  if (is_regular) return fitting.empty() ? std::optional(scales) : std::nullopt;
  if (fitting.size() != 1) return std::nullopt;
  for (Axis& axis : scales.axes_) {
    if (is_cut(axis)) axis.block = fitting.front();
  }
  return scales;
}

Float8Scales::Run Float8Scales::run_at(std::uint64_t element) const {
  Run run{0, std::numeric_limits<std::uint64_t>::max()};
  std::uint64_t stride = 1;     // in scales
  std::uint64_t inner = 1;      // elements below the axis
  bool inner_is_shared = true;  // all of them have one scale
  std::uint64_t rest = element;
  for (std::size_t i = axes_.size(); i-- > 0;) {
    const Axis& axis = axes_[i];
    const std::uint64_t index = rest % axis.size;
    run.scale += index / axis.block * stride;
    if (inner_is_shared) {
      const std::uint64_t left = std::min(axis.block - index % axis.block, axis.size - index);
      run.length = left * inner - element % inner;
      inner_is_shared = axis.block >= axis.size;
    }
    inner *= axis.size;
    rest /= axis.size;
    stride *= axis.count;
  }
  return run;
}

}  // namespace narrow
