// The result is made box by box: the elements of some outer indices, a range of one axis and all of
// the axes within it. A box is gathered in the order in which its elements lie in the file: axes
// are sorted by falling stride, and as soon as what is left of them spans few bytes, those are read
// at once and scattered. A transposed matrix is so read in runs as long as the box has rows.
#include "checkpoint/pytorch/strided_stream.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <utility>

#include "base/checked.h"
#include "checkpoint/container/file_range_stream.h"

namespace narrow {
namespace {

constexpr std::uint64_t kBoxBytes = 1 << 22;
constexpr std::uint64_t kSpanBytes = 1 << 18;
// Elements that lie farther apart than this are read one by one.
constexpr std::uint64_t kMostSpanPerByte = 64;

struct Axis {
  std::uint64_t length = 1;
  std::uint64_t from = 0;  // bytes from one element to the next one in the file
  std::uint64_t to = 0;    // in the box
};

// Axes of length 1 left out, and those that are one axis joined; at least one axis.
std::vector<Axis> merged_axes(const StridedPlace& place) {
  std::vector<Axis> axes;
  for (std::size_t i = 0; i < place.shape.size(); ++i) {
    const auto length = static_cast<std::uint64_t>(place.shape[i]);
    if (length == 1) continue;
    const std::uint64_t from = place.strides[i] * place.item_bytes;
    if (!axes.empty() && axes.back().from == length * from) {
      axes.back().length *= length;
      axes.back().from = from;
    } else {
      axes.push_back({.length = length, .from = from});
    }
  }
  if (axes.empty()) axes.push_back({.length = 1, .from = place.item_bytes});
  return axes;
}

template <std::size_t kSize>
void scatter_row(const std::byte* from, std::byte* to, const Axis& axis) {
  for (std::uint64_t i = 0; i < axis.length; ++i, from += axis.from, to += axis.to) {
    std::memcpy(to, from, kSize);
  }
}

void scatter(const std::byte* from, std::byte* to, std::span<const Axis> axes,
             std::size_t item_bytes) {
  if (axes.size() > 1) {
    for (std::uint64_t i = 0; i < axes[0].length; ++i) {
      scatter(from + i * axes[0].from, to + i * axes[0].to, axes.subspan(1), item_bytes);
    }
    return;
  }
  switch (item_bytes) {
    case 1:
      return scatter_row<1>(from, to, axes[0]);
    case 2:
      return scatter_row<2>(from, to, axes[0]);
    case 4:
      return scatter_row<4>(from, to, axes[0]);
    case 8:
      return scatter_row<8>(from, to, axes[0]);
    default:
      return scatter_row<16>(from, to, axes[0]);
  }
}

class StridedStream final : public TensorStream {
 public:
  StridedStream(const InputFile& file, std::string name, const StridedPlace& place)
      : file_(file),
        name_(std::move(name)),
        byte_offset_(place.byte_offset),
        item_bytes_(place.item_bytes),
        axes_(merged_axes(place)) {
    left_ = item_bytes_;
    for (std::size_t i = axes_.size(); i-- > 0;) {
      axes_[i].to = left_;
      left_ *= axes_[i].length;
      // The outermost axis that has an element with all within it in a box is cut.
      if (axes_[i].to <= kBoxBytes) cut_ = i;
    }
    index_.resize(cut_ + 1);
  }

  void read(std::span<std::byte> out) override {
    if (out.size() > left_) throw_past_end(name_, out.size(), left_);
    left_ -= out.size();
    while (!out.empty()) {
      if (position_ == box_.size()) gather_next_box();
      const std::size_t count = std::min(out.size(), box_.size() - position_);
      std::memcpy(out.data(), box_.data() + position_, count);
      position_ += count;
      out = out.subspan(count);
    }
  }

 private:
  void gather_next_box() {
    std::uint64_t offset = byte_offset_;
    for (std::size_t i = 0; i <= cut_; ++i) offset += index_[i] * axes_[i].from;
    const Axis& cut = axes_[cut_];
    const std::uint64_t count =
        std::min(std::max<std::uint64_t>(kBoxBytes / cut.to, 1), cut.length - index_[cut_]);
    std::vector<Axis> axes(axes_.begin() + static_cast<std::ptrdiff_t>(cut_), axes_.end());
    axes[0].length = count;
    std::ranges::stable_sort(axes, std::greater<>(), &Axis::from);
    box_.resize(count * cut.to);
    position_ = 0;
    gather(offset, box_.data(), axes);
    index_[cut_] += count;
    for (std::size_t i = cut_; i > 0 && index_[i] == axes_[i].length; --i) {
      index_[i] = 0;
      ++index_[i - 1];
    }
  }

  void gather(std::uint64_t offset, std::byte* to, std::span<Axis> axes) {
    if (axes.empty()) return file_.read_at(offset, {to, item_bytes_});
    Axis& axis = axes[0];
    std::uint64_t bytes = item_bytes_;
    std::uint64_t span = item_bytes_;
    for (const Axis& inner : axes.subspan(1)) {
      bytes *= inner.length;
      span += (inner.length - 1) * inner.from;
    }
    std::uint64_t at_once = axis.length;
    if (axis.from > 0 && span <= kSpanBytes) {
      at_once = std::min(at_once, 1 + (kSpanBytes - span) / axis.from);
    }
    span += (at_once - 1) * axis.from;
    if (span > kSpanBytes || span > kMostSpanPerByte * bytes * at_once) {
      for (std::uint64_t i = 0; i < axis.length; ++i) {
        gather(offset + i * axis.from, to + i * axis.to, axes.subspan(1));
      }
      return;
    }
    const std::uint64_t length = axis.length;
    for (std::uint64_t i = 0; i < length; i += axis.length) {
      axis.length = std::min(at_once, length - i);
      span_.resize(span - (at_once - axis.length) * axis.from);
      file_.read_at(offset + i * axis.from, span_);
      scatter(span_.data(), to + i * axis.to, axes, item_bytes_);
    }
    axis.length = length;
  }

  const InputFile& file_;
  std::string name_;
  std::uint64_t byte_offset_;
  std::size_t item_bytes_;
  std::vector<Axis> axes_;  // in the order of the tensor's; Axis::to as in the whole tensor
  std::size_t cut_ = 0;
  std::vector<std::uint64_t> index_;  // of the next box, along the axes up to the one that is cut
  std::vector<std::byte> box_;
  std::vector<std::byte> span_;
  std::size_t position_ = 0;  // in box_
  std::uint64_t left_ = 0;
};

}  // namespace

std::optional<std::uint64_t> strided_span(const StridedPlace& place) {
  if (element_count(place.shape) == 0) return 0;
  std::uint64_t last = 0;
  for (std::size_t i = 0; i < place.shape.size(); ++i) {
    std::uint64_t distance = 0;
    if (!checked_mul(static_cast<std::uint64_t>(place.shape[i]) - 1, place.strides[i], &distance) ||
        !checked_add(last, distance, &last)) {
      return std::nullopt;
    }
  }
  std::uint64_t bytes = 0;
  if (!checked_add(last, std::uint64_t{1}, &last) ||
      !checked_mul(last, std::uint64_t{place.item_bytes}, &bytes)) {
    return std::nullopt;
  }
  return bytes;
}

bool is_contiguous(const StridedPlace& place) {
  if (element_count(place.shape) == 0) return true;
  const std::vector<Axis> axes = merged_axes(place);
  return axes.size() == 1 && axes[0].from == place.item_bytes;
}

std::unique_ptr<TensorStream> open_strided(const InputFile& file, std::string name,
                                           StridedPlace place) {
  if (is_contiguous(place)) {
    const std::uint64_t bytes = element_count(place.shape) * place.item_bytes;
    return std::make_unique<FileRangeStream>(file, std::move(name), place.byte_offset, bytes);
  }
  return std::make_unique<StridedStream>(file, std::move(name), place);
}

}  // namespace narrow
