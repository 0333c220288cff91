#include "base/instruction_limit.h"

#include <hwy/targets.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace narrow {
namespace {

// A value of the variable below the sets with VNNI, and the best target that it leaves; Highway has
// none for AVX alone.
struct LowerLimit {
  std::string_view name;
  std::int64_t target;
};
#if HWY_ARCH_X86
constexpr LowerLimit kLowerLimits[] = {{"SSE41", HWY_SSE4},
                                       {"AVX", HWY_SSE4},
                                       {"AVX2", HWY_AVX2},
                                       {"AVX2_VNNI", HWY_AVX2},
                                       {"AVX512_CORE", HWY_AVX3}};
#else
constexpr LowerLimit kLowerLimits[] = {{"SSE41", 0}};  // sets of x86 limit nothing else
#endif

const LowerLimit* lower_limit() {
  std::string name = instruction_limit();
  std::ranges::transform(name, name.begin(),
                         [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  const auto* const found = std::ranges::find(kLowerLimits, name, &LowerLimit::name);
  return found == std::end(kLowerLimits) ? nullptr : found;
}

}  // namespace

std::string instruction_limit() {
  for (const char* variable : {"ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"}) {
    if (const char* value = std::getenv(variable)) return value;
  }
  return "";
}

// The bits of better targets are lower.
void apply_instruction_limit() {
  const LowerLimit* const limit = lower_limit();
  if (limit != nullptr && limit->target != 0) hwy::DisableTargets(limit->target - 1);
}

// SupportedTargets() makes all targets of the processor those that calls choose from, disabled ones
// too, until it is told otherwise.
std::int64_t usable_targets() {
  const std::int64_t targets = hwy::SupportedTargets();
  hwy::GetChosenTarget().Update(targets);
  return targets;
}

bool allows_vnni() { return lower_limit() == nullptr; }

}  // namespace narrow
