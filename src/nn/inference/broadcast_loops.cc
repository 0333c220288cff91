#include "nn/inference/broadcast_loops.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace narrow {
namespace {

using LoopAxis = BroadcastLoops<2>::Axis;

// `y` is contiguous; rows of columns.
template <bool kMovesA, bool kMovesB, typename Result, typename Function>
void run_rows(const LoopAxis& rows, std::int64_t columns, const float* a, const float* b, Result* y,
              const Function& function) {
  for (std::int64_t row = 0; row < rows.size; ++row) {
    const float* const row_a = a + row * rows.strides[0];
    const float* const row_b = b + row * rows.strides[1];
    Result* const row_y = y + row * columns;
    for (std::int64_t i = 0; i < columns; ++i) {
      row_y[i] = function(row_a[kMovesA ? i : 0], row_b[kMovesB ? i : 0]);
    }
  }
}

template <typename Result, typename Function>
void run_all(const BroadcastLoops<2>& loops, const float* a, const float* b, Result* y,
             const Function& function) {
  const std::size_t outer = loops.axes.size() - 2;
  const LoopAxis& rows = loops.axes[outer];
  const LoopAxis& columns = loops.axes[outer + 1];
  std::vector<std::int64_t> place(outer, 0);
  while (true) {
    if (columns.strides[0] != 0 && columns.strides[1] != 0) {
      run_rows<true, true>(rows, columns.size, a, b, y, function);
    } else if (columns.strides[0] != 0) {
      run_rows<true, false>(rows, columns.size, a, b, y, function);
    } else {
      run_rows<false, true>(rows, columns.size, a, b, y, function);
    }
    y += rows.size * columns.size;
    std::size_t axis = outer;
    while (axis > 0) {
      --axis;
      a += loops.axes[axis].strides[0];
      b += loops.axes[axis].strides[1];
      if (++place[axis] < loops.axes[axis].size) break;
      a -= loops.axes[axis].strides[0] * loops.axes[axis].size;
      b -= loops.axes[axis].strides[1] * loops.axes[axis].size;
      place[axis] = 0;
      if (axis == 0) return;
    }
    if (outer == 0) return;
  }
}

// The innermost axis. One operand is often a single number: a loop of its own becomes vector
// instructions.
void choose_row(const BroadcastLoops<3>::Axis& axis, const std::uint8_t* condition,
                const float* yes, const float* no, float* y) {
  using Strides = std::array<std::int64_t, 3>;
  const auto& [size, strides] = axis;
  if (strides == Strides{1, 0, 1}) {
    const float always = *yes;
    for (std::int64_t i = 0; i < size; ++i) y[i] = condition[i] != 0 ? always : no[i];
  } else if (strides == Strides{1, 1, 0}) {
    const float always = *no;
    for (std::int64_t i = 0; i < size; ++i) y[i] = condition[i] != 0 ? yes[i] : always;
  } else {
    for (std::int64_t i = 0; i < size; ++i) {
      y[i] = condition[i * strides[0]] != 0 ? yes[i * strides[1]] : no[i * strides[2]];
    }
  }
}

// The axes from `depth` on; returns where their results end.
float* choose_from(std::size_t depth, const BroadcastLoops<3>& loops, const std::uint8_t* condition,
                   const float* yes, const float* no, float* y) {
  const auto& [size, strides] = loops.axes[depth];
  if (depth + 1 == loops.axes.size()) {
    choose_row(loops.axes[depth], condition, yes, no, y);
    return y + size;
  }
  for (std::int64_t i = 0; i < size; ++i) {
    y = choose_from(depth + 1, loops, condition + i * strides[0], yes + i * strides[1],
                    no + i * strides[2], y);
  }
  return y;
}

}  // namespace

template <std::size_t kOperands>
BroadcastLoops<kOperands>::BroadcastLoops(const Shape& y,
                                          const std::array<Shape, kOperands>& operands) {
  std::array<std::int64_t, kOperands> steps;
  steps.fill(1);
  std::vector<Axis> reversed;
  for (std::size_t i = 0; i < y.size(); ++i) {
    Axis axis{y[y.size() - 1 - i], {}};
    for (std::size_t k = 0; k < kOperands; ++k) {
      const Shape& shape = operands[k];
      const std::int64_t size = i < shape.size() ? shape[shape.size() - 1 - i] : 1;
      axis.strides[k] = size == 1 ? 0 : steps[k];
      steps[k] *= size;
    }
    if (axis.size == 1) continue;
    bool continues = !reversed.empty();
    for (std::size_t k = 0; continues && k < kOperands; ++k) {
      continues = axis.strides[k] == reversed.back().strides[k] * reversed.back().size;
    }
    if (continues) {
      reversed.back().size *= axis.size;
    } else {
      reversed.push_back(axis);
    }
  }
  while (reversed.size() < 2) {
    reversed.emplace_back();
    if (reversed.size() == 1) reversed.back().strides[0] = 1;
  }
  axes.assign(reversed.rbegin(), reversed.rend());
}

template struct BroadcastLoops<2>;
template struct BroadcastLoops<3>;

void combine(FloatOperation operation, const BroadcastLoops<2>& loops, const float* a,
             const float* b, float* y) {
  using enum FloatOperation;
  switch (operation) {
    case kAdd:
      return run_all(loops, a, b, y, [](float p, float q) { return p + q; });
    case kSubtract:
      return run_all(loops, a, b, y, [](float p, float q) { return p - q; });
    case kMultiply:
      return run_all(loops, a, b, y, [](float p, float q) { return p * q; });
    case kDivide:
      return run_all(loops, a, b, y, [](float p, float q) { return p / q; });
    case kMaximum:
      return run_all(loops, a, b, y, [](float p, float q) { return p > q ? p : q; });
    case kMinimum:
      return run_all(loops, a, b, y, [](float p, float q) { return p < q ? p : q; });
    case kPower:
      return run_all(loops, a, b, y, [](float p, float q) { return std::pow(p, q); });
    case kSlope:
      return run_all(loops, a, b, y, [](float p, float q) { return p < 0 ? p * q : p; });
  }
}

void compare(op::CompareKind kind, const BroadcastLoops<2>& loops, const float* a, const float* b,
             std::uint8_t* y) {
  using enum op::CompareKind;
  switch (kind) {
    case kEqual:
      return run_all(loops, a, b, y, [](float p, float q) -> std::uint8_t { return p == q; });
    case kGreater:
      return run_all(loops, a, b, y, [](float p, float q) -> std::uint8_t { return p > q; });
    case kGreaterOrEqual:
      return run_all(loops, a, b, y, [](float p, float q) -> std::uint8_t { return p >= q; });
    case kLess:
      return run_all(loops, a, b, y, [](float p, float q) -> std::uint8_t { return p < q; });
    case kLessOrEqual:
      return run_all(loops, a, b, y, [](float p, float q) -> std::uint8_t { return p <= q; });
  }
}

void choose(const BroadcastLoops<3>& loops, const std::uint8_t* condition, const float* yes,
            const float* no, float* y) {
  choose_from(0, loops, condition, yes, no, y);
}

}  // namespace narrow
