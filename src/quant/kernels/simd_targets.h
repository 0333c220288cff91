// Which instruction sets the kernels were compiled for, and which one runs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace narrow {

// Every instruction set with its own copy of the kernels, best first ("AVX3", ..., "SCALAR").
std::vector<std::string> compiled_simd_targets();

// Those of them that this processor can run, best first.
std::vector<std::string> runnable_simd_targets();

// The one that calls use now.
std::string chosen_simd_target();

// Makes every call use one instruction set while it lives; for tests. Not to be used while another
// thread quantizes.
class ForcedSimdTarget {
 public:
  // `name` as in runnable_simd_targets(); throws Error(kUsage) for any other.
  explicit ForcedSimdTarget(std::string_view name);
  ~ForcedSimdTarget();
  ForcedSimdTarget(const ForcedSimdTarget&) = delete;
  ForcedSimdTarget& operator=(const ForcedSimdTarget&) = delete;
};

}  // namespace narrow
