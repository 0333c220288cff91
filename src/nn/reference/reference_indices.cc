// Operators that take elements by their places.
#include <fmt/format.h>

#include <algorithm>

#include "graph/rules/slice.h"
#include "nn/reference/reference_kernels.h"

namespace narrow::reference {
namespace {

// Counted from the end when negative.
std::int64_t index_in(std::int64_t index, std::int64_t size) {
  if (index < -size || index >= size) {
    refuse(fmt::format("an index {} of an axis with {} elements", index, size));
  }
  return index < 0 ? index + size : index;
}

std::size_t axis_in(std::int64_t axis, const Shape& shape) {
  return static_cast<std::size_t>(index_in(axis, static_cast<std::int64_t>(shape.size())));
}

template <typename T>
T update(op::ScatterKind kind, T old, T by) {
  switch (kind) {
    case op::ScatterKind::kReplace:
      return by;
    case op::ScatterKind::kAdd:
      if constexpr (std::is_same_v<T, double>) return old + by;
      return static_cast<T>(static_cast<std::uint64_t>(old) + static_cast<std::uint64_t>(by));
    case op::ScatterKind::kMul:
      if constexpr (std::is_same_v<T, double>) return old * by;
      return static_cast<T>(static_cast<std::uint64_t>(old) * static_cast<std::uint64_t>(by));
    case op::ScatterKind::kMax:
      return std::max(old, by);
    case op::ScatterKind::kMin:
      return std::min(old, by);
  }
  return by;
}

// y[to] by updates[from].
void update_element(op::ScatterKind kind, const ReferenceTensor& updates, std::size_t from,
                    ReferenceTensor& y, std::size_t to) {
  with_number(y.type, [&](auto zero) {
    using T = decltype(zero);
    auto& element = elements<T>(y)[to];
    element = static_cast<std::decay_t<decltype(element)>>(
        update(kind, static_cast<T>(element), number<T>(updates, from)));
  });
}

// The first of `inner` elements that a row of indices leads to, of a part of x that begins at
// axis `first`.
std::int64_t place_of_row(const ReferenceTensor& indices, std::size_t row, std::size_t length,
                          const Shape& x, std::size_t first) {
  const std::vector<std::int64_t> strides = strides_of(x);
  std::int64_t place = 0;
  for (std::size_t i = 0; i < length; ++i) {
    place += index_in(integer_at(indices, row * length + i), x[first + i]) * strides[first + i];
  }
  return place;
}

}  // namespace

void run(const op::Slice& /*slice*/, Inputs inputs, Outputs outputs) {
  const ReferenceTensor& x = *inputs[0];
  const ReferenceTensor* const axes = input_at(inputs, 3);
  const ReferenceTensor* const steps = input_at(inputs, 4);
  std::vector<SlicedAxis> sliced;
  for (const std::int64_t size : x.shape) sliced.push_back({0, 1, size});
  for (std::size_t i = 0; i < inputs[1]->size(); ++i) {
    const std::size_t axis = axes == nullptr ? i : axis_in(integer_at(*axes, i), x.shape);
    sliced[axis] = sliced_axis(x.shape[axis], integer_at(*inputs[1], i), integer_at(*inputs[2], i),
                               steps == nullptr ? 1 : integer_at(*steps, i));
  }
  const std::vector<std::int64_t> strides = strides_of(x.shape);
  move_elements(x, outputs[0], [&](const std::vector<std::int64_t>& place) {
    std::int64_t index = 0;
    for (std::size_t axis = 0; axis < place.size(); ++axis) {
      index += (sliced[axis].first + place[axis] * sliced[axis].step) * strides[axis];
    }
    return index;
  });
}

void run(const op::Gather& gather, Inputs inputs, Outputs outputs) {
  const ReferenceTensor& x = *inputs[0];
  const ReferenceTensor& indices = *inputs[1];
  const AxisView view(x.shape, gather.axis);
  const std::size_t taken = indices.size();
  const auto copy = [&](const auto& from, auto& to) {
    for (std::size_t i = 0; i < to.size(); ++i) {
      const std::size_t outer = i / (taken * view.inner);
      const std::int64_t index = index_in(integer_at(indices, i / view.inner % taken),
                                          static_cast<std::int64_t>(view.size));
      to[i] = from[view.at(outer, static_cast<std::size_t>(index), i % view.inner)];
    }
  };
  copy(x.values, outputs[0].values);
  copy(x.integers, outputs[0].integers);
}

void run(const op::GatherNd& gather, Inputs inputs, Outputs outputs) {
  const ReferenceTensor& x = *inputs[0];
  const ReferenceTensor& indices = *inputs[1];
  const auto batch_axes = static_cast<std::size_t>(gather.batch_dims);
  const auto length = static_cast<std::size_t>(indices.shape.back());
  const std::size_t batches = count_of(std::span(x.shape).first(batch_axes));
  const std::size_t inner = count_of(std::span(x.shape).subspan(batch_axes + length));
  const std::size_t of_batch = count_of(std::span(x.shape).subspan(batch_axes));
  const std::size_t rows = count_of(std::span(indices.shape).first(indices.shape.size() - 1));
  const auto copy = [&](const auto& from, auto& to) {
    for (std::size_t i = 0; i < to.size(); ++i) {
      const std::size_t row = i / inner;
      const std::size_t batch = row / (rows / batches);
      const std::int64_t place = place_of_row(indices, row, length, x.shape, batch_axes);
      to[i] = from[batch * of_batch + static_cast<std::size_t>(place) + i % inner];
    }
  };
  copy(x.values, outputs[0].values);
  copy(x.integers, outputs[0].integers);
}

void run(const op::GatherElements& gather, Inputs inputs, Outputs outputs) {
  const ReferenceTensor& x = *inputs[0];
  const std::size_t axis = axis_in(gather.axis, x.shape);
  const std::vector<std::int64_t> strides = strides_of(x.shape);
  std::size_t next = 0;
  move_elements(x, outputs[0], [&](const std::vector<std::int64_t>& place) {
    std::int64_t index = 0;
    for (std::size_t i = 0; i < place.size(); ++i) {
      const std::int64_t at =
          i == axis ? index_in(integer_at(*inputs[1], next), x.shape[axis]) : place[i];
      index += at * strides[i];
    }
    ++next;
    return index;
  });
}

void run(const op::ScatterNd& scatter, Inputs inputs, Outputs outputs) {
  ReferenceTensor& y = outputs[0];
  y.values = inputs[0]->values;
  y.integers = inputs[0]->integers;
  const ReferenceTensor& indices = *inputs[1];
  const auto length = static_cast<std::size_t>(indices.shape.back());
  const std::size_t inner = count_of(std::span(y.shape).subspan(length));
  for (std::size_t i = 0; i < inputs[2]->size(); ++i) {
    const std::int64_t place = place_of_row(indices, i / inner, length, y.shape, 0);
    update_element(scatter.kind, *inputs[2], i, y, static_cast<std::size_t>(place) + i % inner);
  }
}

void run(const op::ScatterElements& scatter, Inputs inputs, Outputs outputs) {
  ReferenceTensor& y = outputs[0];
  y.values = inputs[0]->values;
  y.integers = inputs[0]->integers;
  const std::size_t axis = axis_in(scatter.axis, y.shape);
  const std::vector<std::int64_t> strides = strides_of(y.shape);
  Indices place(inputs[1]->shape);
  for (std::size_t i = 0; i < inputs[1]->size(); ++i, place.next()) {
    std::int64_t to = 0;
    for (std::size_t k = 0; k < strides.size(); ++k) {
      const std::int64_t at =
          k == axis ? index_in(integer_at(*inputs[1], i), y.shape[axis]) : (*place)[k];
      to += at * strides[k];
    }
    update_element(scatter.kind, *inputs[2], i, y, static_cast<std::size_t>(to));
  }
}

}  // namespace narrow::reference
