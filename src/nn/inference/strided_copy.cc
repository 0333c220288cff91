#include "nn/inference/strided_copy.h"

#include <algorithm>
#include <cstring>

namespace narrow {
namespace {

using Axis = StridedCopy::Axis;

template <typename T>
void copy_line(const Axis& axis, const T* from, T* to) {
  if (axis.from == 1 && axis.to == 1) {
    std::memcpy(to, from, static_cast<std::size_t>(axis.size) * sizeof(T));
    return;
  }
  for (std::int64_t i = 0; i < axis.size; ++i) to[i * axis.to] = from[i * axis.from];
}

// Rows of lines, in tiles that stay in the cache when one of the two jumps from line to line.
template <typename T>
void copy_plane(const Axis& rows, const Axis& line, const T* from, T* to) {
  constexpr std::int64_t kTile = 16;
  if (line.from == 1 && line.to == 1) {
    for (std::int64_t row = 0; row < rows.size; ++row) {
      copy_line(line, from + row * rows.from, to + row * rows.to);
    }
    return;
  }
  for (std::int64_t first = 0; first < line.size; first += kTile) {
    const Axis part{std::min(kTile, line.size - first), line.from, line.to};
    for (std::int64_t row = 0; row < rows.size; ++row) {
      copy_line(part, from + row * rows.from + first * line.from,
                to + row * rows.to + first * line.to);
    }
  }
}

template <typename T>
void copy_all(const StridedCopy& copy, const T* from, T* to) {
  const std::size_t outer = copy.axes.size() - 2;
  const T* source = from + copy.first_from;
  T* target = to + copy.first_to;
  std::vector<std::int64_t> place(outer, 0);
  while (true) {
    copy_plane(copy.axes[outer], copy.axes[outer + 1], source, target);
    std::size_t axis = outer;
    while (axis > 0) {
      --axis;
      const Axis& moved = copy.axes[axis];
      source += moved.from;
      target += moved.to;
      if (++place[axis] < moved.size) break;
      source -= moved.from * moved.size;
      target -= moved.to * moved.size;
      place[axis] = 0;
      if (axis == 0) return;
    }
    if (outer == 0) return;
  }
}

}  // namespace

void StridedCopy::simplify() {
  std::vector<Axis> joined;
  for (const Axis& axis : axes) {
    if (axis.size == 1) continue;
    if (!joined.empty() && joined.back().from == axis.from * axis.size &&
        joined.back().to == axis.to * axis.size) {
      joined.back() = {joined.back().size * axis.size, axis.from, axis.to};
    } else {
      joined.push_back(axis);
    }
  }
  while (joined.size() < 2) joined.insert(joined.begin(), Axis{1, 0, 0});
  axes = std::move(joined);
}

void StridedCopy::run(const std::byte* from, std::byte* to) const {
  if (std::ranges::any_of(axes, [](const Axis& axis) { return axis.size == 0; })) return;
  switch (element_size) {
    case 1:
      return copy_all(*this, reinterpret_cast<const std::uint8_t*>(from),
                      reinterpret_cast<std::uint8_t*>(to));
    case 2:
      return copy_all(*this, reinterpret_cast<const std::uint16_t*>(from),
                      reinterpret_cast<std::uint16_t*>(to));
    case 4:
      return copy_all(*this, reinterpret_cast<const std::uint32_t*>(from),
                      reinterpret_cast<std::uint32_t*>(to));
    default:
      return copy_all(*this, reinterpret_cast<const std::uint64_t*>(from),
                      reinterpret_cast<std::uint64_t*>(to));
  }
}

std::vector<std::int64_t> row_major_strides(const Shape& shape) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

}  // namespace narrow
