#include "cli/console/tensor_warnings.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/console/console.h"

namespace narrow {
namespace {

constexpr std::size_t kMostNames = 3;

}  // namespace

std::string name_some(const std::vector<std::string>& names) {
  std::string text;
  const std::size_t shown = std::min(names.size(), kMostNames);
  for (std::size_t i = 0; i < shown; ++i) {
    const bool closes = i > 0 && i + 1 == names.size();
    if (i > 0) text += closes ? " and " : ", ";
    text += names[i];
  }
  if (shown < names.size()) text += fmt::format(" and {} more", names.size() - shown);
  return text;
}

void TensorWarnings::add_non_finite(const std::string& name, std::uint64_t values) {
  non_finite_.push_back(name);
  non_finite_values_ += values;
}

void TensorWarnings::add_clipped(const std::string& name, const Scheme& scheme) {
  if (scheme.range.kind != Range::Kind::kMinMax) return;
  if (clipped_.empty() || clipped_.back() != name) clipped_.push_back(name);
  clipped_widths_.insert(scheme.bits);
}

void TensorWarnings::print() const {
  if (non_finite_.size() == 1) {
    print_warning(fmt::format("{} is copied unchanged: it has {} NaN or infinite values",
                              non_finite_.front(), non_finite_values_));
  } else if (!non_finite_.empty()) {
    print_warning(
        fmt::format("{} tensors are copied unchanged: they have {} NaN or infinite "
                    "values: {}",
                    non_finite_.size(), non_finite_values_, name_some(non_finite_)));
  }
  if (clipped_.empty()) return;
  const std::string bits =
      clipped_widths_.size() == 1
          ? fmt::format("{}", *clipped_widths_.begin())
          : fmt::format("{} to {}", *clipped_widths_.begin(), *clipped_widths_.rbegin());
  if (clipped_.size() == 1) {
    print_warning(
        fmt::format("{}: {} bits with decimal scaling do not hold its range; values are "
                    "clipped",
                    clipped_.front(), bits));
  } else {
    print_warning(
        fmt::format("{} tensors: {} bits with decimal scaling do not hold their range; "
                    "values are clipped: {}",
                    clipped_.size(), bits, name_some(clipped_)));
  }
}

}  // namespace narrow
