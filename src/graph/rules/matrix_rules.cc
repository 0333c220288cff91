// Products of matrices.
#include <fmt/format.h>

#include "graph/rules/einsum.h"
#include "graph/rules/fact_rules.h"

namespace narrow {

Facts infer(const op::MatMul& /*product*/, FactInputs inputs) {
  require_same_type(inputs);
  Dimensions a = inputs[0]->dimensions;
  Dimensions b = inputs[1]->dimensions;
  require_rank(*inputs[0], 1);
  require_rank(*inputs[1], 1);
  // A vector is a matrix of one row or column, which the result does not have.
  const bool a_is_vector = a.size() == 1;
  const bool b_is_vector = b.size() == 1;
  if (a_is_vector) a.insert(a.begin(), Dimension(1));
  if (b_is_vector) b.emplace_back(1);
  if (!may_be_equal(a.back(), b[b.size() - 2])) {
    refuse_inputs(fmt::format("matrices {} and {} cannot be multiplied",
                              to_string(inputs[0]->dimensions), to_string(inputs[1]->dimensions)));
  }
  Dimensions result = broadcast({a.begin(), a.end() - 2}, {b.begin(), b.end() - 2}, "broadcast");
  if (!a_is_vector) result.push_back(a[a.size() - 2]);
  if (!b_is_vector) result.push_back(b.back());
  return one_fact(inputs[0]->type, std::move(result));
}

Facts infer(const op::Gemm& gemm, FactInputs inputs) {
  require_same_type(inputs);
  const Dimensions& a = inputs[0]->dimensions;
  const Dimensions& b = inputs[1]->dimensions;
  if (a.size() != 2 || b.size() != 2 ||
      !may_be_equal(a[gemm.transpose_a ? 0 : 1], b[gemm.transpose_b ? 1 : 0])) {
    refuse_inputs(
        fmt::format("matrices {} and {} cannot be multiplied", to_string(a), to_string(b)));
  }
  Dimensions result = {a[gemm.transpose_a ? 1 : 0], b[gemm.transpose_b ? 0 : 1]};
  if (const Fact* c = input_at(inputs, 2)) {
    const bool fits =
        c->dimensions.size() <= 2 && broadcast(result, c->dimensions, "added").size() == 2;
    for (std::size_t i = 1; i <= c->dimensions.size(); ++i) {
      const Dimension& size = c->dimensions[c->dimensions.size() - i];
      if (fits && (size == Dimension(1) || may_be_equal(size, result[2 - i]))) continue;
      refuse_inputs(fmt::format("{} cannot be added to a product {}", to_string(c->dimensions),
                                to_string(result)));
    }
  }
  return one_fact(inputs[0]->type, std::move(result));
}

Facts infer(const op::Einsum& einsum, FactInputs inputs) {
  require_same_type(inputs);
  std::vector<std::size_t> ranks;
  for (const Fact* input : inputs) ranks.push_back(input->dimensions.size());
  const EinsumPlan plan = plan_einsum(einsum.equation, ranks);
  Dimensions sizes(plan.index_count, Dimension(1));
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    for (std::size_t axis = 0; axis < ranks[i]; ++axis) {
      Dimension& size = sizes[plan.operands[i][axis]];
      size = broadcast({size}, {inputs[i]->dimensions[axis]}, "multiplied")[0];
    }
  }
  constexpr std::int64_t kMostTerms = std::int64_t{1} << 36;
  if (product(sizes).size > kMostTerms) {
    refuse_inputs(fmt::format("a sum of more than {} terms", kMostTerms));
  }
  sizes.resize(plan.result_rank);
  return one_fact(inputs[0]->type, std::move(sizes));
}

}  // namespace narrow
