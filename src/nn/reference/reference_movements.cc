// Operators that give elements another shape or order.
#include <algorithm>

#include "nn/reference/reference_kernels.h"

namespace narrow::reference {
namespace {

void keep_elements(Inputs inputs, Outputs outputs) {
  outputs[0].values = inputs[0]->values;
  outputs[0].integers = inputs[0]->integers;
}

// One where a size is.
std::int64_t wrapped_place(std::int64_t place, std::int64_t size) {
  return (place % size + size) % size;
}

// Back and forth between the first and the last element.
std::int64_t reflected_place(std::int64_t place, std::int64_t size) {
  if (size == 1) return 0;
  const std::int64_t in_period = wrapped_place(place, 2 * (size - 1));
  return in_period < size ? in_period : 2 * (size - 1) - in_period;
}

// The place in x of one of the result, along an axis; -1: it has the padding's value.
std::int64_t padded_place(op::PadMode mode, std::int64_t place, std::int64_t size) {
  if (place >= 0 && place < size) return place;
  switch (mode) {
    case op::PadMode::kConstant:
      return -1;
    case op::PadMode::kReflect:
      return reflected_place(place, size);
    case op::PadMode::kEdge:
      return std::clamp<std::int64_t>(place, 0, size - 1);
    case op::PadMode::kWrap:
      return wrapped_place(place, size);
  }
  return -1;
}

// The first element of every part of x along an axis, part by part.
void copy_part(const ReferenceTensor& x, ReferenceTensor& y, std::size_t axis, std::int64_t begin) {
  const std::vector<std::int64_t> strides = strides_of(x.shape);
  move_elements(x, y, [&](const std::vector<std::int64_t>& place) {
    std::int64_t index = begin * strides[axis];
    for (std::size_t i = 0; i < place.size(); ++i) index += place[i] * strides[i];
    return index;
  });
}

std::size_t axis_from_end(std::int64_t axis, const Shape& shape) {
  return static_cast<std::size_t>(axis < 0 ? axis + static_cast<std::int64_t>(shape.size()) : axis);
}

}  // namespace

void run(const op::Identity& /*identity*/, Inputs inputs, Outputs outputs) {
  keep_elements(inputs, outputs);
}
void run(const op::Flatten& /*flatten*/, Inputs inputs, Outputs outputs) {
  keep_elements(inputs, outputs);
}
void run(const op::Reshape& /*reshape*/, Inputs inputs, Outputs outputs) {
  keep_elements(inputs, outputs);
}
void run(const op::Squeeze& /*squeeze*/, Inputs inputs, Outputs outputs) {
  keep_elements(inputs, outputs);
}
void run(const op::Unsqueeze& /*unsqueeze*/, Inputs inputs, Outputs outputs) {
  keep_elements(inputs, outputs);
}

void run(const op::Transpose& transpose, Inputs inputs, Outputs outputs) {
  const ReferenceTensor& x = *inputs[0];
  const std::vector<std::int64_t> strides = strides_of(x.shape);
  const std::size_t rank = strides.size();
  std::vector<std::int64_t> steps(rank);
  for (std::size_t i = 0; i < rank; ++i) {
    steps[i] = strides[transpose.order.empty() ? rank - 1 - i
                                               : axis_from_end(transpose.order[i], x.shape)];
  }
  move_elements(x, outputs[0], [&](const std::vector<std::int64_t>& place) {
    std::int64_t index = 0;
    for (std::size_t i = 0; i < rank; ++i) index += place[i] * steps[i];
    return index;
  });
}

void run(const op::Concat& concat, Inputs inputs, Outputs outputs) {
  ReferenceTensor& y = outputs[0];
  const AxisView to(y.shape, concat.axis);
  std::size_t begin = 0;
  for (const ReferenceTensor* x : inputs) {
    const AxisView from(x->shape, concat.axis);
    const auto copy = [&](const auto& source, auto& target) {
      for (std::size_t i = 0; i < source.size(); ++i) {
        const std::size_t row = i / (from.size * from.inner);
        target[row * to.size * to.inner + begin * to.inner + i % (from.size * from.inner)] =
            source[i];
      }
    };
    copy(x->values, y.values);
    copy(x->integers, y.integers);
    begin += from.size;
  }
}

void run(const op::Split& split, Inputs inputs, Outputs outputs) {
  const std::size_t axis = axis_from_end(split.axis, inputs[0]->shape);
  std::int64_t begin = 0;
  for (ReferenceTensor& part : outputs) {
    copy_part(*inputs[0], part, axis, begin);
    begin += part.shape[axis];
  }
}

void run(const op::Pad& pad, Inputs inputs, Outputs outputs) {
  const ReferenceTensor& x = *inputs[0];
  ReferenceTensor& y = outputs[0];
  const std::vector<std::int64_t>& pads = inputs[1]->integers;
  const ReferenceTensor* const value = input_at(inputs, 2);
  const ReferenceTensor* const axes = input_at(inputs, 3);
  std::vector<std::int64_t> before(x.shape.size(), 0);
  for (std::size_t i = 0; i < pads.size() / 2; ++i) {
    before[axes == nullptr ? i : axis_from_end(axes->integers[i], x.shape)] = pads[i];
  }
  if (value != nullptr && value->size() == 1 && value->is_real() == y.is_real()) {
    if (y.is_real()) std::ranges::fill(y.values, value->values[0]);
    if (!y.is_real()) std::ranges::fill(y.integers, value->integers[0]);
  }
  const std::vector<std::int64_t> strides = strides_of(x.shape);
  move_elements(x, y, [&](const std::vector<std::int64_t>& place) {
    std::int64_t index = 0;
    for (std::size_t axis = 0; axis < place.size(); ++axis) {
      const std::int64_t at = padded_place(pad.mode, place[axis] - before[axis], x.shape[axis]);
      if (at < 0) return std::int64_t{-1};
      index += at * strides[axis];
    }
    return index;
  });
}

void run(const op::Expand& /*expand*/, Inputs inputs, Outputs outputs) {
  ReferenceTensor& y = outputs[0];
  for_each_broadcast(y.shape, inputs.first(1),
                     [&](std::size_t i, const std::vector<std::size_t>& from) {
                       if (y.is_real()) y.values[i] = inputs[0]->values[from[0]];
                       if (!y.is_real()) y.integers[i] = inputs[0]->integers[from[0]];
                     });
}

void run(const op::Tile& /*tile*/, Inputs inputs, Outputs outputs) {
  const Shape& x = inputs[0]->shape;
  const std::vector<std::int64_t> strides = strides_of(x);
  move_elements(*inputs[0], outputs[0], [&](const std::vector<std::int64_t>& place) {
    std::int64_t index = 0;
    for (std::size_t axis = 0; axis < place.size(); ++axis) {
      index += place[axis] % x[axis] * strides[axis];
    }
    return index;
  });
}

void run(const op::DepthToSpace& blocks, Inputs inputs, Outputs outputs) {
  const Shape& x = inputs[0]->shape;
  const std::int64_t block = blocks.block;
  const std::int64_t channels = outputs[0].shape[1];
  const std::vector<std::int64_t> strides = strides_of(x);
  move_elements(*inputs[0], outputs[0], [&](const std::vector<std::int64_t>& place) {
    const std::int64_t in_block = place[2] % block * block + place[3] % block;
    const std::int64_t channel = blocks.column_row_depth ? place[1] * block * block + in_block
                                                         : in_block * channels + place[1];
    return place[0] * strides[0] + channel * strides[1] + place[2] / block * strides[2] +
           place[3] / block;
  });
}

void run(const op::SpaceToDepth& blocks, Inputs inputs, Outputs outputs) {
  const Shape& x = inputs[0]->shape;
  const std::int64_t block = blocks.block;
  const std::vector<std::int64_t> strides = strides_of(x);
  move_elements(*inputs[0], outputs[0], [&](const std::vector<std::int64_t>& place) {
    const std::int64_t in_block = place[1] / x[1];
    return place[0] * strides[0] + place[1] % x[1] * strides[1] +
           (place[2] * block + in_block / block) * strides[2] + place[3] * block + in_block % block;
  });
}

void run(const op::Trilu& trilu, Inputs inputs, Outputs outputs) {
  const ReferenceTensor* const diagonal = input_at(inputs, 1);
  const std::int64_t shift = diagonal == nullptr ? 0 : integer_at(*diagonal, 0);
  const std::vector<std::int64_t> strides = strides_of(inputs[0]->shape);
  move_elements(*inputs[0], outputs[0], [&](const std::vector<std::int64_t>& place) {
    const std::int64_t column = place.back();
    const std::int64_t row = place[place.size() - 2];
    // Compared without sums that may not fit: the diagonal is any 64-bit integer.
    const bool is_kept = trilu.upper ? column - row >= shift : column - row <= shift;
    if (!is_kept) return std::int64_t{-1};
    std::int64_t index = 0;
    for (std::size_t axis = 0; axis < place.size(); ++axis) index += place[axis] * strides[axis];
    return index;
  });
}

void run(const op::ReverseSequence& reverse, Inputs inputs, Outputs outputs) {
  const Shape& x = inputs[0]->shape;
  const std::size_t batch = axis_from_end(reverse.batch_axis, x);
  const std::size_t time = axis_from_end(reverse.time_axis, x);
  for (const std::int64_t length : inputs[1]->integers) {
    if (length < 0 || length > x[time]) refuse("a sequence longer than its axis");
  }
  const std::vector<std::int64_t> strides = strides_of(x);
  move_elements(*inputs[0], outputs[0], [&](const std::vector<std::int64_t>& place) {
    const std::int64_t length = inputs[1]->integers[static_cast<std::size_t>(place[batch])];
    std::int64_t index = 0;
    for (std::size_t axis = 0; axis < place.size(); ++axis) {
      const bool turns = axis == time && place[axis] < length;
      index += (turns ? length - 1 - place[axis] : place[axis]) * strides[axis];
    }
    return index;
  });
}

}  // namespace narrow::reference
