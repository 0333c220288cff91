#include "graph/dimension_math.h"

#include <fmt/format.h>

#include "narrow/error.h"

namespace narrow {
namespace {

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCategory::kUnsupported, what);
}

}  // namespace

bool may_be_equal(const Dimension& a, const Dimension& b) {
  return a.is_free() || b.is_free() || a.size == b.size;
}

Dimension product(const Dimension& a, const Dimension& b) {
  if (a == Dimension(1)) return b;
  if (b == Dimension(1)) return a;
  if (a == Dimension(0) || b == Dimension(0)) return 0;
  if (a.is_free() || b.is_free()) return {};
  std::int64_t result = 0;
  if (__builtin_mul_overflow(a.size, b.size, &result)) {
    refuse(fmt::format("{} x {} elements are too many", a.size, b.size));
  }
  return result;
}

Dimension product(std::span<const Dimension> dimensions) {
  Dimension result = 1;
  for (const Dimension& dimension : dimensions) result = product(result, dimension);
  return result;
}

Dimension sum(const Dimension& a, const Dimension& b) {
  if (a == Dimension(0)) return b;
  if (b == Dimension(0)) return a;
  if (a.is_free() || b.is_free()) return {};
  std::int64_t result = 0;
  if (__builtin_add_overflow(a.size, b.size, &result)) {
    refuse(fmt::format("{} + {} elements are too many", a.size, b.size));
  }
  return result;
}

namespace {

Dimension broadcast(const Dimension& a, const Dimension& b, const std::string& verb) {
  if (a == b && (!a.is_free() || !a.symbol.empty())) return a;
  if (a.is_free() || b.is_free()) {
    // A known size but 1 wins; everything else stays open.
    if (!a.is_free() && a.size != 1) return a;
    if (!b.is_free() && b.size != 1) return b;
    if (!a.is_free()) return b;
    if (!b.is_free()) return a;
    return {};
  }
  if (a.size == 1) return b;
  if (b.size == 1) return a;
  refuse(fmt::format("sizes {} and {} cannot be {}", a.size, b.size, verb));
}

}  // namespace

Dimensions broadcast(const Dimensions& a, const Dimensions& b, const std::string& verb) {
  Dimensions result = a.size() >= b.size() ? a : b;
  const Dimensions& other = a.size() >= b.size() ? b : a;
  const std::size_t ahead = result.size() - other.size();
  for (std::size_t i = 0; i < other.size(); ++i) {
    result[ahead + i] = broadcast(result[ahead + i], other[i], verb);
  }
  return result;
}

}  // namespace narrow
