#include "nn/reference/reference_kernels.h"

#include "narrow/error.h"

namespace narrow::reference {

void refuse(const std::string& what) { throw Error(ErrorCategory::kUnsupported, what); }

std::size_t count_of(std::span<const std::int64_t> sizes) {
  std::size_t count = 1;
  for (const std::int64_t size : sizes) count *= static_cast<std::size_t>(size);
  return count;
}

std::vector<std::int64_t> strides_of(std::span<const std::int64_t> sizes) {
  std::vector<std::int64_t> strides(sizes.size(), 1);
  for (std::size_t axis = sizes.size(); axis-- > 1;) {
    strides[axis - 1] = strides[axis] * sizes[axis];
  }
  return strides;
}

void Indices::next() {
  for (std::size_t axis = now_.size(); axis-- > 0;) {
    if (++now_[axis] < sizes_[axis]) return;
    now_[axis] = 0;
  }
}

double real_at(const ReferenceTensor& x, std::size_t index) {
  if (x.is_real()) return x.values[index];
  if (x.type == DType::kUInt64) {
    return static_cast<double>(static_cast<std::uint64_t>(x.integers[index]));
  }
  return static_cast<double>(x.integers[index]);
}

std::int64_t integer_at(const ReferenceTensor& x, std::size_t index) { return x.integers[index]; }

bool is_true(const ReferenceTensor& x, std::size_t index) { return real_at(x, index) != 0; }

void for_each_broadcast(const Shape& y, Inputs inputs, const BroadcastVisit& visit) {
  const std::size_t rank = y.size();
  // By input and axis of y; 0 where an element is repeated.
  std::vector<std::vector<std::int64_t>> steps;
  for (const ReferenceTensor* input : inputs) {
    std::vector<std::int64_t> of_input(rank, 0);
    const std::vector<std::int64_t> strides = strides_of(input->shape);
    const std::size_t ahead = rank - input->shape.size();
    for (std::size_t axis = 0; axis < input->shape.size(); ++axis) {
      if (input->shape[axis] != 1) of_input[ahead + axis] = strides[axis];
    }
    steps.push_back(std::move(of_input));
  }
  std::vector<std::int64_t> place(rank, 0);
  std::vector<std::size_t> indices(inputs.size(), 0);
  const std::size_t count = count_of(y);
  for (std::size_t i = 0; i < count; ++i) {
    visit(i, indices);
    for (std::size_t axis = rank; axis-- > 0;) {
      const bool wraps = ++place[axis] == y[axis];
      for (std::size_t k = 0; k < inputs.size(); ++k) {
        const std::int64_t step = wraps ? -steps[k][axis] * (y[axis] - 1) : steps[k][axis];
        indices[k] += static_cast<std::size_t>(step);
      }
      if (!wraps) break;
      place[axis] = 0;
    }
  }
}

void move_elements(const ReferenceTensor& x, ReferenceTensor& y, const Source& source) {
  const auto move = [&](const auto& from, auto& to) {
    Indices place(y.shape);
    for (auto& element : to) {
      const std::int64_t index = source(*place);
      if (index >= 0) element = from[static_cast<std::size_t>(index)];
      place.next();
    }
  };
  if (x.is_real()) {
    move(x.values, y.values);
  } else {
    move(x.integers, y.integers);
  }
}

AxisView::AxisView(const Shape& shape, std::int64_t axis) {
  const auto at =
      static_cast<std::size_t>(axis < 0 ? axis + static_cast<std::int64_t>(shape.size()) : axis);
  outer = count_of(std::span(shape).first(at));
  size = static_cast<std::size_t>(shape[at]);
  inner = count_of(std::span(shape).subspan(at + 1));
}

AxisView AxisView::from(const Shape& shape, std::int64_t axis) {
  AxisView view(shape, axis);
  view.size *= view.inner;
  view.inner = 1;
  return view;
}

}  // namespace narrow::reference
