// Operators that have graphs of their own.
#include <algorithm>

#include "nn/reference/reference_kernels.h"
#include "nn/reference/reference_network.h"

namespace narrow::reference {

void run(const op::If& branches, Inputs inputs, Outputs outputs) {
  const Graph& branch = *(is_true(*inputs[0], 0) ? branches.then_branch : branches.else_branch);
  std::vector<ReferenceTensor> read;
  for (const ReferenceTensor* input : inputs.subspan(1)) read.push_back(*input);
  std::vector<ReferenceTensor> results = run_reference(branch, WeightReader(), read);
  std::ranges::move(results, outputs.begin());
}

}  // namespace narrow::reference
