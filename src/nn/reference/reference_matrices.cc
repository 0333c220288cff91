// Products of matrices.
#include "graph/rules/einsum.h"
#include "nn/reference/reference_kernels.h"

namespace narrow::reference {
namespace {

// Integers are added up as their bits, which wrap around.
template <typename T>
using Sum = std::conditional_t<std::is_same_v<T, double>, double, std::uint64_t>;

// What of a matrix is read: an element each of these many steps.
struct MatrixView {
  std::size_t first = 0;
  std::size_t row_step = 0;
  std::size_t column_step = 0;
};

// y += a * b, where y is [rows, columns] from element `to` on.
template <typename T>
void add_product(const ReferenceTensor& a, const MatrixView& a_view, const ReferenceTensor& b,
                 const MatrixView& b_view, std::size_t rows, std::size_t inner, std::size_t columns,
                 ReferenceTensor& y, std::size_t to) {
  using Total = Sum<T>;
  const auto& left = elements<T>(a);
  const auto& right = elements<T>(b);
  auto& result = elements<T>(y);
  std::vector<Total> sums(columns);
  for (std::size_t row = 0; row < rows; ++row) {
    sums.assign(columns, 0);
    for (std::size_t k = 0; k < inner; ++k) {
      const auto factor =
          static_cast<Total>(left[a_view.first + row * a_view.row_step + k * a_view.column_step]);
      const std::size_t from = b_view.first + k * b_view.row_step;
      for (std::size_t column = 0; column < columns; ++column) {
        sums[column] += factor * static_cast<Total>(right[from + column * b_view.column_step]);
      }
    }
    for (std::size_t column = 0; column < columns; ++column) {
      auto& element = result[to + row * columns + column];
      element =
          static_cast<std::decay_t<decltype(element)>>(static_cast<Total>(element) + sums[column]);
    }
  }
}

}  // namespace

void run(const op::MatMul& /*product*/, Inputs inputs, Outputs outputs) {
  const auto as_matrix = [](const ReferenceTensor& x, bool is_left) {
    Shape shape = x.shape;
    if (shape.size() == 1) shape.insert(is_left ? shape.begin() : shape.end(), 1);
    return shape;
  };
  const Shape a = as_matrix(*inputs[0], true);
  const Shape b = as_matrix(*inputs[1], false);
  const auto rows = static_cast<std::size_t>(a[a.size() - 2]);
  const auto inner = static_cast<std::size_t>(a.back());
  const auto columns = static_cast<std::size_t>(b.back());
  // The matrices of a stack are elements that are broadcast.
  const auto stack_of = [](const Shape& shape) {
    return ReferenceTensor{{shape.begin(), shape.end() - 2}, {}};
  };
  const ReferenceTensor a_stack = stack_of(a);
  const ReferenceTensor b_stack = stack_of(b);
  Shape stack = outputs[0].shape;
  stack.resize(std::max(a.size(), b.size()) - 2);
  const ReferenceTensor* const stacks[] = {&a_stack, &b_stack};
  for_each_broadcast(stack, stacks, [&](std::size_t i, const std::vector<std::size_t>& from) {
    with_number(inputs[0]->type, [&](auto zero) {
      add_product<decltype(zero)>(*inputs[0], {from[0] * rows * inner, inner, 1}, *inputs[1],
                                  {from[1] * inner * columns, columns, 1}, rows, inner, columns,
                                  outputs[0], i * rows * columns);
    });
  });
}

void run(const op::Gemm& gemm, Inputs inputs, Outputs outputs) {
  ReferenceTensor& y = outputs[0];
  const Shape& a = inputs[0]->shape;
  const auto rows = static_cast<std::size_t>(y.shape[0]);
  const auto columns = static_cast<std::size_t>(y.shape[1]);
  const auto inner = static_cast<std::size_t>(a[gemm.transpose_a ? 0 : 1]);
  const MatrixView left = gemm.transpose_a ? MatrixView{0, 1, rows} : MatrixView{0, inner, 1};
  const MatrixView right = gemm.transpose_b ? MatrixView{0, 1, inner} : MatrixView{0, columns, 1};
  with_number(y.type, [&](auto zero) {
    add_product<decltype(zero)>(*inputs[0], left, *inputs[1], right, rows, inner, columns, y, 0);
  });
  for (double& value : y.values) value *= gemm.alpha;
  for (std::int64_t& value : y.integers) value *= static_cast<std::int64_t>(gemm.alpha);
  const ReferenceTensor* const c = input_at(inputs, 2);
  if (c == nullptr) return;
  for_each_broadcast(
      y.shape, inputs.subspan(2, 1), [&](std::size_t i, const std::vector<std::size_t>& from) {
        if (y.is_real()) {
          y.values[i] += gemm.beta * c->values[from[0]];
        } else {
          y.integers[i] += static_cast<std::int64_t>(gemm.beta) * c->integers[from[0]];
        }
      });
}

void run(const op::Einsum& einsum, Inputs inputs, Outputs outputs) {
  std::vector<std::size_t> ranks;
  for (const ReferenceTensor* input : inputs) ranks.push_back(input->shape.size());
  const EinsumPlan plan = plan_einsum(einsum.equation, ranks);
  Shape sizes(plan.index_count, 1);
  // By operand and index: how far its element moves.
  std::vector<std::vector<std::int64_t>> steps;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    const Shape& shape = inputs[k]->shape;
    const std::vector<std::int64_t> strides = strides_of(shape);
    std::vector<std::int64_t> of_operand(plan.index_count, 0);
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
      const std::size_t index = plan.operands[k][axis];
      if (shape[axis] != 1) sizes[index] = shape[axis];
      if (shape[axis] != 1) of_operand[index] += strides[axis];
    }
    steps.push_back(std::move(of_operand));
  }
  std::size_t inner = 1;
  for (std::size_t i = plan.result_rank; i < sizes.size(); ++i) {
    inner *= static_cast<std::size_t>(sizes[i]);
  }
  Indices place(sizes);
  const std::size_t count = outputs[0].size() * inner;
  with_number(outputs[0].type, [&](auto zero) {
    using T = decltype(zero);
    auto& y = elements<T>(outputs[0]);
    for (std::size_t i = 0; i < count; ++i, place.next()) {
      Sum<T> term = 1;
      for (std::size_t k = 0; k < inputs.size(); ++k) {
        std::int64_t index = 0;
        for (std::size_t axis = 0; axis < sizes.size(); ++axis)
          index += (*place)[axis] * steps[k][axis];
        term *= static_cast<Sum<T>>(elements<T>(*inputs[k])[static_cast<std::size_t>(index)]);
      }
      auto& element = y[i / inner];
      element = static_cast<std::decay_t<decltype(element)>>(static_cast<Sum<T>>(element) + term);
    }
  });
}

}  // namespace narrow::reference
