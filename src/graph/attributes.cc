#include "graph/attributes.h"

#include <utility>

#include "graph/graph.h"

namespace narrow {
namespace {

template <std::size_t kIndex>
AnyOperator copy_of(const void* op) {
  using Op = std::variant_alternative_t<kIndex, AnyOperator>;
  return AnyOperator(std::in_place_index<kIndex>, *static_cast<const Op*>(op));
}

template <std::size_t... kIndex>
AnyOperator copy_of(const void* op, std::size_t index, std::index_sequence<kIndex...> /*all*/) {
  using Copy = AnyOperator (*)(const void*);
  static constexpr std::array<Copy, sizeof...(kIndex)> kCopies{copy_of<kIndex>...};
  return kCopies[index](op);
}

}  // namespace

Attributes::Attributes(const void* op, std::size_t index)
    : AnyOperator(
          copy_of(op, index, std::make_index_sequence<std::variant_size_v<AnyOperator>>())) {}
Attributes::Attributes() = default;
Attributes::Attributes(const Attributes& other) = default;
Attributes::Attributes(Attributes&& other) noexcept = default;
Attributes& Attributes::operator=(const Attributes& other) = default;
Attributes& Attributes::operator=(Attributes&& other) noexcept = default;
Attributes::~Attributes() = default;

bool Attributes::operator==(const Attributes& other) const {
  return static_cast<const AnyOperator&>(*this) == static_cast<const AnyOperator&>(other);
}

namespace {

bool same(const std::shared_ptr<const Graph>& a, const std::shared_ptr<const Graph>& b) {
  return a == b || (a != nullptr && b != nullptr && *a == *b);
}

}  // namespace

bool op::If::operator==(const If& other) const {
  return expects_else == other.expects_else && same(then_branch, other.then_branch) &&
         same(else_branch, other.else_branch);
}

bool op::Loop::operator==(const Loop& other) const {
  return states == other.states && same(body, other.body);
}

bool op::Scan::operator==(const Scan& other) const {
  return states == other.states && inputs == other.inputs && outputs == other.outputs &&
         same(body, other.body);
}

}  // namespace narrow
