#include "graph/facts.h"

#include <fmt/format.h>

#include "narrow/error.h"

namespace narrow {

SymbolicInteger symbolic(const Dimension& dimension) {
  if (dimension.is_free()) return {std::nullopt, dimension.symbol};
  return {dimension.size};
}

Dimension as_dimension(const SymbolicInteger& integer) {
  if (!integer.value) return Dimension::free(integer.symbol);
  if (*integer.value < 0) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("a size of {}, expected 0 or more", *integer.value));
  }
  return *integer.value;
}

}  // namespace narrow
