#include <fmt/format.h>

#include "narrow/version.h"
#include "quant/kernels/simd_targets.h"

namespace narrow {

BuildInfo build_info() {
#if defined(__clang__)
  const std::string compiler =
      fmt::format("Clang {}.{}.{}", __clang_major__, __clang_minor__, __clang_patchlevel__);
#else
  const std::string compiler =
      fmt::format("GCC {}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
  return {NARROW_VERSION, compiler, compiled_simd_targets(), chosen_simd_target()};
}

}  // namespace narrow
