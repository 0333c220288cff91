// What is to be said of tensors, each kind once.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "narrow/scheme.h"

namespace narrow {

// "w0, w1, w2 and 3 more".
std::string name_some(const std::vector<std::string>& names);

// Collects while a command works; print() says it on standard error.
class TensorWarnings {
 public:
  // It is copied for so many NaN or infinite values.
  void add_non_finite(const std::string& name, std::uint64_t values);
  // The scheme clips its values. Of ranges other than minmax, which clip on purpose,
  // nothing is said.
  void add_clipped(const std::string& name, const Scheme& scheme);
  void print() const;

 private:
  std::vector<std::string> non_finite_;
  std::uint64_t non_finite_values_ = 0;
  std::vector<std::string> clipped_;
  std::set<int> clipped_widths_;
};

}  // namespace narrow
