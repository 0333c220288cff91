#include "tasks/convert/weight_layout.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <string_view>

#include "narrow/channel_axes.h"
#include "narrow/error.h"
#include "narrow/selection.h"
#include "stream/selection/name_parts.h"

namespace narrow {
namespace {

constexpr auto kWeightNames = std::to_array<std::string_view>(
    {"kernel", "weights", "weight", "pointwise_kernel", "pointwise_weights", "recurrent_kernel"});
// A matrix of these has a row for each word in both frameworks.
constexpr auto kTableNames = std::to_array<std::string_view>({"wte", "wpe"});

bool is_one_of(std::span<const std::string_view> words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

// By the last part of the name; optimizers and averages call what they keep after it.
bool has_weight_name(const std::string& name) {
  const NameParts parts(name);
  if (parts.empty()) return false;
  if (is_one_of(kWeightNames, parts.last())) return true;
  return parts.size() > 1 && is_training_state(name) &&
         is_one_of(kWeightNames, parts[parts.size() - 2]);
}

bool has_table_name(const std::string& name) {
  const NameParts parts(name);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (is_one_of(kTableNames, parts[i])) return true;
    if (parts[i].find("embed") != std::string_view::npos) return true;
  }
  return false;
}

bool is_depthwise(const TensorInfo& tensor, const std::string& new_name) {
  return is_depthwise_kernel(tensor) || is_depthwise_kernel({new_name, tensor.dtype, tensor.shape});
}

bool is_weight(const TensorInfo& tensor, const std::string& new_name) {
  const bool is_table =
      tensor.shape.size() == 2 && (has_table_name(tensor.name) || has_table_name(new_name));
  return !is_table && (has_weight_name(tensor.name) || has_weight_name(new_name));
}

// `rank` axes with those from `first` on at the front.
std::vector<std::size_t> rotated(std::size_t rank, std::size_t first) {
  std::vector<std::size_t> axes(rank);
  std::iota(axes.begin(), axes.end(), std::size_t{0});
  std::rotate(axes.begin(), axes.begin() + static_cast<std::ptrdiff_t>(first), axes.end());
  return axes;
}

// The result as axes of these sizes and steps through the stored elements.
struct Order {
  std::vector<std::uint64_t> sizes;
  std::vector<std::uint64_t> strides;
};

// Goes through the elements of the result from one on, and knows where they are stored.
class Walk {
 public:
  Walk(const Order& order, std::size_t first_axis, std::uint64_t first)
      : order_(order), first_axis_(first_axis), index_(order.sizes.size()) {
    for (std::size_t i = index_.size(); i-- > first_axis; first /= order.sizes[i]) {
      index_[i] = first % order.sizes[i];
      at_ += index_[i] * order.strides[i];
    }
  }
  [[nodiscard]] std::uint64_t at() const { return at_; }
  void next() {
    for (std::size_t axis = index_.size(); axis-- > first_axis_;) {
      at_ += order_.strides[axis];
      if (++index_[axis] < order_.sizes[axis]) return;
      at_ -= order_.sizes[axis] * order_.strides[axis];
      index_[axis] = 0;
    }
  }

 private:
  const Order& order_;
  std::size_t first_axis_;
  std::vector<std::uint64_t> index_;
  std::uint64_t at_ = 0;
};

// Elements are of type T, of which only the bytes matter.
template <typename T>
void gather(const std::byte* values, const Order& order, std::uint64_t first,
            std::span<std::byte> out) {
  Walk walk(order, 0, first);
  for (std::size_t done = 0; done < out.size(); done += sizeof(T), walk.next()) {
    std::memcpy(out.data() + done, values + walk.at() * sizeof(T), sizeof(T));
  }
}

// The same in blocks: elements that lie side by side are read together, each for a row of its own
// in the result. Without that, every element of a large kernel would be read from memory anew.
template <typename T>
void gather_rows(const std::byte* values, const Order& order, std::uint64_t first,
                 std::span<std::byte> out) {
  constexpr std::uint64_t kMostRows = 64 / sizeof(T) + 1;
  const auto axis = static_cast<std::size_t>(std::ranges::find(order.strides, std::uint64_t{1}) -
                                             order.strides.begin());
  std::uint64_t row = 1;
  for (std::size_t i = axis + 1; i < order.sizes.size(); ++i) row *= order.sizes[i];
  const std::uint64_t count = out.size() / sizeof(T);
  const std::uint64_t head = std::min((row - first % row) % row, count);
  gather<T>(values, order, first, out.first(head * sizeof(T)));
  std::uint64_t done = head;
  while (count - done >= row) {
    const std::uint64_t position = (first + done) / row % order.sizes[axis];
    const std::uint64_t rows =
        std::min({kMostRows, (count - done) / row, order.sizes[axis] - position});
    const std::byte* from = values + Walk(order, 0, first + done).at() * sizeof(T);
    std::byte* to = out.data() + done * sizeof(T);
    Walk walk(order, axis + 1, 0);
    for (std::uint64_t i = 0; i < row; ++i, walk.next()) {
      for (std::uint64_t k = 0; k < rows; ++k) {
        std::memcpy(to + (k * row + i) * sizeof(T), from + (walk.at() + k) * sizeof(T), sizeof(T));
      }
    }
    done += rows * row;
  }
  gather<T>(values, order, first + done, out.subspan(done * sizeof(T)));
}

}  // namespace

bool is_doubtful_depthwise(const TensorInfo& tensor, const std::string& new_name) {
  return tensor.shape.size() > 2 && tensor.shape[1] == 1 && tensor.shape[0] > 1 &&
         is_weight(tensor, new_name) && !is_depthwise(tensor, new_name);
}

std::optional<LayoutChange> layout_change(const TensorInfo& tensor, const std::string& new_name,
                                          AxisOrder to) {
  const std::size_t rank = tensor.shape.size();
  const bool has_values = tensor.dtype != DType::kString && tensor.dtype != DType::kOpaque;
  if (to == AxisOrder::kAsStored || rank < 2 || !has_values) return std::nullopt;
  const bool has_depthwise_name = is_depthwise(tensor, new_name);
  if (!has_depthwise_name && !is_weight(tensor, new_name)) return std::nullopt;
  // Other kernels of grouped convolutions are like those of ordinary ones.
  const bool depthwise = has_depthwise_name && (to == AxisOrder::kTorch || tensor.shape[1] == 1);
  LayoutChange change;
  change.axes = rotated(rank, to == AxisOrder::kTorch ? rank - 2 : 2);
  if (!depthwise) {
    // [in, out, ..] after the rotation to PyTorch's order, [.., out, in] after that from it.
    const std::size_t pair = to == AxisOrder::kTorch ? 0 : rank - 2;
    std::swap(change.axes[pair], change.axes[pair + 1]);
  }
  for (const std::size_t axis : change.axes) change.shape.push_back(tensor.shape[axis]);
  if (depthwise && to == AxisOrder::kTorch) {
    change.shape[0] *= change.shape[1];
    change.shape[1] = 1;
  }
  return change;
}

void permute(std::span<const std::byte> values, const Shape& shape,
             std::span<const std::size_t> axes, std::size_t element_bytes, std::uint64_t first,
             std::span<std::byte> out) {
  if (out.empty()) return;
  std::vector<std::uint64_t> stored_strides(shape.size(), 1);
  for (std::size_t i = shape.size() - 1; i-- > 0;) {
    stored_strides[i] = stored_strides[i + 1] * static_cast<std::uint64_t>(shape[i + 1]);
  }
  Order order;
  for (const std::size_t axis : axes) {
    order.sizes.push_back(static_cast<std::uint64_t>(shape[axis]));
    order.strides.push_back(stored_strides[axis]);
  }
  struct Pair {
    std::uint64_t halves[2];
  };
  switch (element_bytes) {
    case 1:
      return gather_rows<std::uint8_t>(values.data(), order, first, out);
    case 2:
      return gather_rows<std::uint16_t>(values.data(), order, first, out);
    case 4:
      return gather_rows<std::uint32_t>(values.data(), order, first, out);
    case 8:
      return gather_rows<std::uint64_t>(values.data(), order, first, out);
    case 16:
      return gather_rows<Pair>(values.data(), order, first, out);
    default:
      throw Error(ErrorCategory::kUsage, "elements of this size cannot be put in another order");
  }
}

}  // namespace narrow
