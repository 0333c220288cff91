// Which axes of a tensor are exchanged between the frameworks' orders.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "narrow/convert_checkpoint.h"

namespace narrow {

struct LayoutChange {
  std::vector<std::size_t> axes;  // see ConvertedTensor
  Shape shape;
};

// Nothing for tensors that are the same in both orders. `new_name`: what it will be called.
std::optional<LayoutChange> layout_change(const TensorInfo& tensor, const std::string& new_name,
                                          AxisOrder to);

// Whether layout_change to TensorFlow's order takes a kernel [C, 1, ..] for one of one input
// channel, which might be a depthwise one as well: no name says so.
bool is_doubtful_depthwise(const TensorInfo& tensor, const std::string& new_name);

// `out` gets the elements of the result from `first` on, of `values`, the whole tensor as stored.
// It has a whole number of elements of `element_bytes`: 1, 2, 4, 8 or 16.
void permute(std::span<const std::byte> values, const Shape& shape,
             std::span<const std::size_t> axes, std::size_t element_bytes, std::uint64_t first,
             std::span<std::byte> out);

}  // namespace narrow
