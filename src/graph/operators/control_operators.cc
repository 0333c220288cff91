#include "graph/operators/control_operators.h"

#include "graph/graph.h"

namespace narrow::op {

bool If::operator==(const If& other) const {
  const auto same = [](const auto& a, const auto& b) {
    return a == b || (a != nullptr && b != nullptr && *a == *b);
  };
  return same(then_branch, other.then_branch) && same(else_branch, other.else_branch);
}

}  // namespace narrow::op
