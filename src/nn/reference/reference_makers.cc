// Operators that make values out of little, and the choice among boxes.
#include <algorithm>
#include <cmath>

#include "nn/reference/reference_kernels.h"

namespace narrow::reference {
namespace {

// Corners in any order.
struct Box {
  double top = 0;
  double left = 0;
  double bottom = 0;
  double right = 0;
  [[nodiscard]] double area() const { return (bottom - top) * (right - left); }
};

Box box_at(const ReferenceTensor& boxes, std::size_t index, bool is_center) {
  const double* const b = boxes.values.data() + 4 * index;
  if (is_center) {
    return {b[1] - b[3] / 2, b[0] - b[2] / 2, b[1] + b[3] / 2, b[0] + b[2] / 2};
  }
  return {std::min(b[0], b[2]), std::min(b[1], b[3]), std::max(b[0], b[2]), std::max(b[1], b[3])};
}

// Intersection over union.
double overlap(const Box& a, const Box& b) {
  const double height = std::min(a.bottom, b.bottom) - std::max(a.top, b.top);
  const double width = std::min(a.right, b.right) - std::max(a.left, b.left);
  if (height <= 0 || width <= 0) return 0;
  const double common = height * width;
  return common / (a.area() + b.area() - common);
}

}  // namespace

void run(const op::NonMaxSuppression& suppression, Inputs inputs, Outputs outputs) {
  const ReferenceTensor& boxes = *inputs[0];
  const ReferenceTensor& scores = *inputs[1];
  const auto option = [&](std::size_t input, double otherwise) {
    const ReferenceTensor* const given = input_at(inputs, input);
    return given != nullptr && given->size() > 0 ? real_at(*given, 0) : otherwise;
  };
  const double most = option(2, 0);
  const double most_overlap = option(3, 0);
  const bool has_least = input_at(inputs, 4) != nullptr && inputs[4]->size() > 0;
  const double least_score = option(4, 0);
  const auto classes = static_cast<std::size_t>(scores.shape[1]);
  const auto count = static_cast<std::size_t>(scores.shape[2]);
  outputs[0].integers.clear();
  for (std::size_t line = 0; line < count_of(std::span(scores.shape).first(2)); ++line) {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < count; ++i) {
      if (!has_least || scores.values[line * count + i] > least_score) order.push_back(i);
    }
    std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
      return scores.values[line * count + a] > scores.values[line * count + b];
    });
    std::vector<Box> chosen;
    for (const std::size_t i : order) {
      if (static_cast<double>(chosen.size()) >= most) break;
      const Box box = box_at(boxes, line / classes * count + i, suppression.center_point_box);
      const auto hides = [&](const Box& other) { return overlap(box, other) > most_overlap; };
      if (std::ranges::any_of(chosen, hides)) continue;
      chosen.push_back(box);
      for (const std::size_t part : {line / classes, line % classes, i}) {
        outputs[0].integers.push_back(static_cast<std::int64_t>(part));
      }
    }
  }
  outputs[0].shape = {static_cast<std::int64_t>(outputs[0].integers.size() / 3), 3};
}

void run(const op::OneHot& one_hot, Inputs inputs, Outputs outputs) {
  const ReferenceTensor& indices = *inputs[0];
  ReferenceTensor& y = outputs[0];
  const AxisView view(y.shape, one_hot.axis);
  for (std::size_t i = 0; i < y.size(); ++i) {
    const std::size_t line = i / (view.size * view.inner) * view.inner + i % view.inner;
    double index = real_at(indices, line);
    if (index < 0) index += static_cast<double>(view.size);
    const bool is_hot = index == static_cast<double>(i / view.inner % view.size);
    if (y.is_real()) y.values[i] = inputs[2]->values[is_hot ? 1 : 0];
    if (!y.is_real()) y.integers[i] = inputs[2]->integers[is_hot ? 1 : 0];
  }
}

void run(const op::ShapeOf& shape, Inputs inputs, Outputs outputs) {
  const Shape& x = inputs[0]->shape;
  const auto rank = static_cast<std::int64_t>(x.size());
  const std::int64_t start = shape.start < 0 ? shape.start + rank : shape.start;
  const auto first = x.begin() + std::clamp<std::int64_t>(start, 0, rank);
  std::copy_n(first, outputs[0].size(), outputs[0].integers.begin());
}

void run(const op::Size& /*size*/, Inputs inputs, Outputs outputs) {
  outputs[0].integers[0] = static_cast<std::int64_t>(inputs[0]->size());
}

void run(const op::ConstantOfShape& fill, Inputs /*inputs*/, Outputs outputs) {
  if (fill.value.empty()) return;
  const ReferenceTensor value = ReferenceTensor::of({fill.type, {1}, fill.value});
  if (value.is_real()) std::ranges::fill(outputs[0].values, value.values[0]);
  if (!value.is_real()) std::ranges::fill(outputs[0].integers, value.integers[0]);
}

void run(const op::Range& /*range*/, Inputs inputs, Outputs outputs) {
  ReferenceTensor& y = outputs[0];
  for (std::size_t i = 0; i < y.values.size(); ++i) {
    y.values[i] = inputs[0]->values[0] + static_cast<double>(i) * inputs[2]->values[0];
  }
  for (std::size_t i = 0; i < y.integers.size(); ++i) {
    y.integers[i] = inputs[0]->integers[0] + static_cast<std::int64_t>(i) * inputs[2]->integers[0];
  }
}

void run(const op::EyeLike& eye, Inputs /*inputs*/, Outputs outputs) {
  ReferenceTensor& y = outputs[0];
  for (std::int64_t row = 0; row < y.shape[0]; ++row) {
    const std::int64_t column = row + eye.diagonal;
    if (column < 0 || column >= y.shape[1]) continue;
    const auto place = static_cast<std::size_t>(row * y.shape[1] + column);
    if (y.is_real()) y.values[place] = 1;
    if (!y.is_real()) y.integers[place] = 1;
  }
}

}  // namespace narrow::reference
