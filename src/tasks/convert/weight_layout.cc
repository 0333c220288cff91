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

// Values of type T, which only the bytes matter of.
template <typename T>
void gather(const std::byte* values, const std::vector<std::uint64_t>& sizes,
            const std::vector<std::uint64_t>& strides, std::uint64_t first,
            std::span<std::byte> out) {
  const std::size_t rank = sizes.size();
  std::vector<std::uint64_t> index(rank);
  std::uint64_t at = 0;
  for (std::size_t i = rank; i-- > 0; first /= sizes[i]) {
    index[i] = first % sizes[i];
    at += index[i] * strides[i];
  }
  const std::uint64_t step = strides[rank - 1];
  for (std::size_t done = 0; done < out.size();) {
    const std::uint64_t left = (out.size() - done) / sizeof(T);
    const std::uint64_t count = std::min(left, sizes[rank - 1] - index[rank - 1]);
    for (std::uint64_t i = 0; i < count; ++i) {
      std::memcpy(out.data() + done + i * sizeof(T), values + (at + i * step) * sizeof(T),
                  sizeof(T));
    }
    done += count * sizeof(T);
    index[rank - 1] += count;
    at += count * step;
    // On to the next row: every axis that is full begins again.
    for (std::size_t axis = rank; axis-- > 0 && index[axis] == sizes[axis];) {
      at -= sizes[axis] * strides[axis];
      index[axis] = 0;
      if (axis == 0) break;
      ++index[axis - 1];
      at += strides[axis - 1];
    }
  }
}

}  // namespace

bool is_doubtful_depthwise(const TensorInfo& tensor, const std::string& new_name) {
  return tensor.shape.size() > 2 && tensor.shape[1] == 1 && tensor.shape[0] > 1 &&
         is_weight(tensor, new_name) && !is_depthwise(tensor, new_name);
}

std::optional<LayoutChange> layout_change(const TensorInfo& tensor, const std::string& new_name,
                                          WeightLayout to) {
  const std::size_t rank = tensor.shape.size();
  const bool has_values = tensor.dtype != DType::kString && tensor.dtype != DType::kOpaque;
  if (to == WeightLayout::kAsStored || rank < 2 || !has_values) return std::nullopt;
  const bool has_depthwise_name = is_depthwise(tensor, new_name);
  if (!has_depthwise_name && !is_weight(tensor, new_name)) return std::nullopt;
  // Other kernels of grouped convolutions are like those of ordinary ones.
  const bool depthwise = has_depthwise_name && (to == WeightLayout::kTorch || tensor.shape[1] == 1);
  LayoutChange change;
  change.axes = rotated(rank, to == WeightLayout::kTorch ? rank - 2 : 2);
  if (!depthwise) {
    // [in, out, ..] after the rotation to PyTorch's order, [.., out, in] after that from it.
    const std::size_t pair = to == WeightLayout::kTorch ? 0 : rank - 2;
    std::swap(change.axes[pair], change.axes[pair + 1]);
  }
  for (const std::size_t axis : change.axes) change.shape.push_back(tensor.shape[axis]);
  if (depthwise && to == WeightLayout::kTorch) {
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
  std::vector<std::uint64_t> sizes;
  std::vector<std::uint64_t> strides;
  for (const std::size_t axis : axes) {
    sizes.push_back(static_cast<std::uint64_t>(shape[axis]));
    strides.push_back(stored_strides[axis]);
  }
  struct Pair {
    std::uint64_t halves[2];
  };
  switch (element_bytes) {
    case 1:
      return gather<std::uint8_t>(values.data(), sizes, strides, first, out);
    case 2:
      return gather<std::uint16_t>(values.data(), sizes, strides, first, out);
    case 4:
      return gather<std::uint32_t>(values.data(), sizes, strides, first, out);
    case 8:
      return gather<std::uint64_t>(values.data(), sizes, strides, first, out);
    case 16:
      return gather<Pair>(values.data(), sizes, strides, first, out);
    default:
      throw Error(ErrorCategory::kUsage, "elements of this size cannot be put in another order");
  }
}

}  // namespace narrow
