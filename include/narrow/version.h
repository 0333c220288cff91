// What this build is.
#pragma once

#include <string>
#include <vector>

#include "narrow/export.h"

namespace narrow {

struct BuildInfo {
  std::string version;                    // "0.2.0"
  std::string compiler;                   // "GCC 12.2.0"
  std::vector<std::string> simd_targets;  // compiled in, best first
  std::string chosen_simd_target;         // used on this CPU
};

NARROW_EXPORT BuildInfo build_info();

}  // namespace narrow
