// Operators along axes.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "nn/reference/reference_kernels.h"

namespace narrow::reference {
namespace {

// Of the elements that are reduced to one.
double reduced(op::ReduceKind kind, const std::vector<double>& x) {
  const auto sum = [&](const auto& term) {
    double total = 0;
    for (const double value : x) total += term(value);
    return total;
  };
  const auto itself = [](double value) { return value; };
  const auto square = [](double value) { return value * value; };
  using enum op::ReduceKind;
  switch (kind) {
    case kL1:
      return sum([](double value) { return std::abs(value); });
    case kL2:
      return std::sqrt(sum(square));
    case kLogSum:
      return std::log(sum(itself));
    case kLogSumExp: {
      if (x.empty()) return -std::numeric_limits<double>::infinity();
      const double largest = std::ranges::max(x);
      if (std::isinf(largest)) return largest;
      return largest + std::log(sum([&](double value) { return std::exp(value - largest); }));
    }
    case kMax:
      return x.empty() ? -std::numeric_limits<double>::infinity() : std::ranges::max(x);
    case kMean:
      return sum(itself) / static_cast<double>(x.size());
    case kMin:
      return x.empty() ? std::numeric_limits<double>::infinity() : std::ranges::min(x);
    case kProd: {
      double product = 1;
      for (const double value : x) product *= value;
      return product;
    }
    case kSum:
      return sum(itself);
    case kSumSquare:
      return sum(square);
  }
  return 0;
}

// The same in integers, wrapped; roots and logarithms are cut off.
std::int64_t reduced(op::ReduceKind kind, const std::vector<std::int64_t>& x, bool is_unsigned) {
  const auto sum = [&](const auto& term) {
    std::uint64_t total = 0;
    for (const std::int64_t value : x) total += static_cast<std::uint64_t>(term(value));
    return static_cast<std::int64_t>(total);
  };
  const auto less = [&](std::int64_t a, std::int64_t b) {
    return is_unsigned ? static_cast<std::uint64_t>(a) < static_cast<std::uint64_t>(b) : a < b;
  };
  const auto product = [](std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
  };
  using enum op::ReduceKind;
  switch (kind) {
    case kL1:
      return sum([&](std::int64_t value) {
        return !is_unsigned && value < 0 ? product(value, -1) : value;
      });
    case kMax:
    case kMin:
      if (x.empty()) refuse("the extreme of no integers");
      return kind == kMax ? *std::ranges::max_element(x, less) : *std::ranges::min_element(x, less);
    case kMean: {
      const std::int64_t total = sum([](std::int64_t value) { return value; });
      return x.empty() ? 0 : total / static_cast<std::int64_t>(x.size());
    }
    case kProd:
      return std::accumulate(x.begin(), x.end(), std::int64_t{1}, product);
    case kSum:
      return sum([](std::int64_t value) { return value; });
    case kSumSquare:
      return sum([&](std::int64_t value) { return product(value, value); });
    case kL2:
    case kLogSum:
    case kLogSumExp:
      return static_cast<std::int64_t>(reduced(kind, std::vector<double>(x.begin(), x.end())));
  }
  return 0;
}

std::vector<bool> reduced_axes(const op::Reduce& reduce, const Shape& x,
                               const ReferenceTensor* axes) {
  const bool has_axes = axes != nullptr && axes->size() > 0;
  std::vector<bool> is_reduced(x.size(), !has_axes && !reduce.none_without_axes);
  if (!has_axes) return is_reduced;
  for (const std::int64_t axis : axes->integers) {
    is_reduced[static_cast<std::size_t>(axis < 0 ? axis + static_cast<std::int64_t>(x.size())
                                                 : axis)] = true;
  }
  return is_reduced;
}

// By element of x: the element of the result that it goes into.
std::vector<std::size_t> targets(const Shape& x, const std::vector<bool>& is_reduced) {
  Shape kept = x;
  for (std::size_t axis = 0; axis < x.size(); ++axis) {
    if (is_reduced[axis]) kept[axis] = 1;
  }
  std::vector<std::int64_t> strides = strides_of(kept);
  for (std::size_t axis = 0; axis < x.size(); ++axis) {
    if (is_reduced[axis]) strides[axis] = 0;
  }
  std::vector<std::size_t> all(count_of(x));
  Indices place(x);
  for (std::size_t& target : all) {
    target = static_cast<std::size_t>(
        std::inner_product(strides.begin(), strides.end(), (*place).begin(), std::int64_t{0}));
    place.next();
  }
  return all;
}

// Of one line along an axis: places in order, those of equal elements by place.
template <typename T>
std::vector<std::size_t> order_of(const ReferenceTensor& x, std::size_t first, std::size_t step,
                                  std::size_t count, bool largest) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
    const T left = number<T>(x, first + a * step);
    const T right = number<T>(x, first + b * step);
    return largest ? left > right : left < right;
  });
  return order;
}

}  // namespace

void run(const op::Reduce& reduce, Inputs inputs, Outputs outputs) {
  const ReferenceTensor& x = *inputs[0];
  ReferenceTensor& y = outputs[0];
  const std::vector<bool> is_reduced = reduced_axes(reduce, x.shape, input_at(inputs, 1));
  if (std::ranges::find(is_reduced, true) == is_reduced.end() && reduce.none_without_axes) {
    y.values = x.values;
    y.integers = x.integers;
    return;
  }
  const std::vector<std::size_t> target = targets(x.shape, is_reduced);
  const auto reduce_all = [&](const auto& from, auto& to, const auto& reduce_one) {
    std::vector<std::decay_t<decltype(from)>> parts(to.size());
    for (std::size_t i = 0; i < from.size(); ++i) parts[target[i]].push_back(from[i]);
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = reduce_one(parts[i]);
  };
  if (x.is_real()) {
    reduce_all(x.values, y.values, [&](const auto& part) { return reduced(reduce.kind, part); });
  } else {
    reduce_all(x.integers, y.integers, [&](const auto& part) {
      return reduced(reduce.kind, part, x.type == DType::kUInt64);
    });
  }
}

void run(const op::ArgReduce& reduce, Inputs inputs, Outputs outputs) {
  const ReferenceTensor& x = *inputs[0];
  const AxisView view(x.shape, reduce.axis);
  with_number(x.type, [&](auto zero) {
    using T = decltype(zero);
    for (std::size_t line = 0; line < view.outer * view.inner; ++line) {
      const std::size_t first = view.at(line / view.inner, 0, line % view.inner);
      std::size_t best = 0;
      for (std::size_t i = 1; i < view.size; ++i) {
        const T value = number<T>(x, first + i * view.inner);
        const T so_far = number<T>(x, first + best * view.inner);
        const bool is_better = reduce.largest ? value > so_far : value < so_far;
        if (is_better || (reduce.last_of_equals && value == so_far)) best = i;
      }
      outputs[0].integers[line] = static_cast<std::int64_t>(best);
    }
  });
}

void run(const op::TopK& top, Inputs inputs, Outputs outputs) {
  const ReferenceTensor& x = *inputs[0];
  const AxisView from(x.shape, top.axis);
  const AxisView to(outputs[0].shape, top.axis);
  with_number(x.type, [&](auto zero) {
    using T = decltype(zero);
    for (std::size_t line = 0; line < from.outer * from.inner; ++line) {
      const std::size_t first = from.at(line / from.inner, 0, line % from.inner);
      std::vector<std::size_t> order = order_of<T>(x, first, from.inner, from.size, top.largest);
      order.resize(to.size);
      for (std::size_t i = 0; i < to.size; ++i) {
        const std::size_t at = to.at(line / from.inner, i, line % from.inner);
        elements<T>(outputs[0])[at] = elements<T>(x)[first + order[i] * from.inner];
        outputs[1].integers[at] = static_cast<std::int64_t>(order[i]);
      }
    }
  });
}

void run(const op::CumSum& sums, Inputs inputs, Outputs outputs) {
  const ReferenceTensor& x = *inputs[0];
  const AxisView view(x.shape, integer_at(*inputs[1], 0));
  const auto add_up = [&](const auto& from, auto& to, auto total) {
    const auto start = total;
    for (std::size_t line = 0; line < view.outer * view.inner && !from.empty(); ++line) {
      total = start;
      for (std::size_t i = 0; i < view.size; ++i) {
        const std::size_t place = sums.reverse ? view.size - 1 - i : i;
        const std::size_t at = view.at(line / view.inner, place, line % view.inner);
        const auto before = total;
        total += static_cast<decltype(total)>(from[at]);
        to[at] = static_cast<std::decay_t<decltype(to[at])>>(sums.exclusive ? before : total);
      }
    }
  };
  if (x.is_real()) {
    add_up(x.values, outputs[0].values, 0.0);
  } else {
    add_up(x.integers, outputs[0].integers, std::uint64_t{0});
  }
}

void run(const op::NonZero& /*non_zero*/, Inputs inputs, Outputs outputs) {
  const ReferenceTensor& x = *inputs[0];
  const std::size_t rank = x.shape.size();
  std::vector<std::vector<std::int64_t>> found(rank);
  std::int64_t count = 0;
  Indices place(x.shape);
  for (std::size_t i = 0; i < x.size(); ++i, place.next()) {
    if (!is_true(x, i)) continue;
    ++count;
    for (std::size_t axis = 0; axis < rank; ++axis) found[axis].push_back((*place)[axis]);
  }
  outputs[0].shape = {static_cast<std::int64_t>(rank), count};
  outputs[0].integers.clear();
  for (const auto& of_axis : found) {
    outputs[0].integers.insert(outputs[0].integers.end(), of_axis.begin(), of_axis.end());
  }
}

}  // namespace narrow::reference
