#include "nn/inference/broadcast_loops.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace narrow {
namespace {

using Axis = BroadcastLoops::Axis;

// `y` is contiguous; rows of columns.
template <bool kMovesA, bool kMovesB, typename Result, typename Function>
void run_rows(const Axis& rows, std::int64_t columns, const float* a, const float* b, Result* y,
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
void run_all(const BroadcastLoops& loops, const float* a, const float* b, Result* y,
             const Function& function) {
  const std::size_t outer = loops.axes.size() - 2;
  const Axis& rows = loops.axes[outer];
  const Axis& columns = loops.axes[outer + 1];
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

}  // namespace

BroadcastLoops::BroadcastLoops(const Shape& y, const Shape& a, const Shape& b) {
  std::array<std::int64_t, 2> steps = {1, 1};
  std::vector<Axis> reversed;
  for (std::size_t i = y.size(); i-- > 0;) {
    const std::array<std::int64_t, 2> sizes = {a[i], b[i]};
    Axis axis{y[i], {}};
    for (std::size_t k = 0; k < 2; ++k) {
      axis.strides[k] = sizes[k] == 1 ? 0 : steps[k];
      steps[k] *= sizes[k];
    }
    if (y[i] == 1) continue;
    if (!reversed.empty()) {
      Axis& inner = reversed.back();
      const bool continues = axis.strides[0] == inner.strides[0] * inner.size &&
                             axis.strides[1] == inner.strides[1] * inner.size;
      if (continues) {
        inner.size *= axis.size;
        continue;
      }
    }
    reversed.push_back(axis);
  }
  while (reversed.size() < 2) reversed.push_back({1, {reversed.empty() ? 1 : 0, 0}});
  axes.assign(reversed.rbegin(), reversed.rend());
}

void combine(FloatOperation operation, const BroadcastLoops& loops, const float* a, const float* b,
             float* y) {
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

void compare(op::CompareKind kind, const BroadcastLoops& loops, const float* a, const float* b,
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

}  // namespace narrow
