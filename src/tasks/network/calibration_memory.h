// What a calibration takes besides what it keeps of its examples. Internal to this folder.
#pragma once

#include <cstdint>

namespace narrow {

// What a batch takes on its way through a part of the network, and everything small.
inline constexpr std::uint64_t kBatchBytes = std::uint64_t{320} << 20;
// The weights, the exact ones, and those of compiled programs.
inline constexpr std::uint64_t kCopiesOfWeights = 4;

}  // namespace narrow
