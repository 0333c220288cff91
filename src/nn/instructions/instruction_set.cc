#include "nn/instructions/instruction_set.h"

#include <hwy/targets.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <oneapi/dnnl/dnnl.hpp>
#include <string_view>

#include "base/instruction_limit.h"
#include "base/ranks.h"
#include "narrow/error.h"

namespace narrow {
namespace {

struct NamedSet {
  std::string_view name;  // in the environment variable
  dnnl::cpu_isa isa;
  bool is_there;
};

// oneDNN has a function for that, but nothing can be limited once it was called.
std::array<NamedSet, 8> known_sets() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  const bool has_vnni = has_avx512 && __builtin_cpu_supports("avx512vnni");
  const bool has_bf16 = has_vnni && __builtin_cpu_supports("avx512bf16");
  const bool has_sse41 = __builtin_cpu_supports("sse4.1");
  const bool has_avx = __builtin_cpu_supports("avx");
  const bool has_avx2 = __builtin_cpu_supports("avx2");
#else
  const bool has_sse41 = false, has_avx = false, has_avx2 = false, has_avx512 = false,
             has_vnni = false, has_bf16 = false;
#endif
  using dnnl::cpu_isa;
  return {{{"SSE41", cpu_isa::sse41, has_sse41},
           {"AVX", cpu_isa::avx, has_avx},
           {"AVX2", cpu_isa::avx2, has_avx2},
           {"AVX2_VNNI", cpu_isa::avx2, has_avx2},  // with it AVX2 may do more, but no other set
           {"AVX512_CORE", cpu_isa::avx512_core, has_avx512},
           {"AVX512_CORE_VNNI", cpu_isa::avx512_core_vnni, has_vnni},
           {"AVX512_CORE_BF16", cpu_isa::avx512_core_bf16, has_bf16},
           {"AVX512_CORE_AMX", cpu_isa::avx512_core_amx, has_bf16}}};
}

// As oneDNN compares them: whether letters are large does not matter.
bool is_same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::toupper(x) == std::toupper(y); });
}

bool limit(std::uint32_t own, std::uint32_t common, std::int64_t own_targets,
           std::int64_t common_targets) {
  if (own_targets != common_targets) hwy::DisableTargets(~common_targets);
  return own == common ||
         dnnl::set_max_cpu_isa(static_cast<dnnl::cpu_isa>(common)) == dnnl::status::success;
}

}  // namespace

std::uint32_t usable_instruction_sets(std::string_view limit) {
  const auto sets = known_sets();
  std::uint32_t usable = 0;
  std::uint32_t allowed = ~std::uint32_t{0};
  for (const NamedSet& set : sets) {
    if (set.is_there) usable |= static_cast<std::uint32_t>(set.isa);
    if (is_same_name(set.name, limit)) allowed = static_cast<std::uint32_t>(set.isa);
  }
  return usable & allowed;
}

void agree_on_instructions() {
  static bool is_done = false;
  if (is_done || ranks().size() == 1) return;
  is_done = true;
  const std::uint32_t own = usable_instruction_sets(instruction_limit());
  const std::int64_t targets = usable_targets();
  const auto common = static_cast<std::uint32_t>(ranks().common_bits(own));
  const auto common_targets =
      static_cast<std::int64_t>(ranks().common_bits(static_cast<std::uint64_t>(targets)));
  if (limit(own, common, targets, common_targets)) return;
  throw Error(ErrorCategory::kUnsupported,
              "the ranks run on CPUs with different instructions, and this process has begun to "
              "use its own; start it again");
}

}  // namespace narrow
