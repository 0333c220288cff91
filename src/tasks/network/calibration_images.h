// Images of a dataset, preprocessed for a network.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "narrow/calibrate_network.h"
#include "nn/layerwise/activations.h"

namespace narrow {

// Where image i of `count` lies, spread evenly over `size`; count is at most the size.
constexpr std::uint64_t spread_position(std::uint64_t i, std::uint64_t count, std::uint64_t size) {
  return i * size / count;
}

// Records spread_position(i) of the split, i = 0 .. count - 1, without randomness. Throws Error:
// kUsage for an unknown dataset or split, fewer than 2 images or sizes out of range; kNotFound;
// kCorrupt naming a bad record.
Activations load_calibration_images(const CalibrationImages& images);
// The same, but only what choose() keeps of their numbers i.
using ChooseImages = std::function<std::vector<std::uint64_t>(std::span<const std::uint64_t>)>;
Activations load_calibration_images(const CalibrationImages& images, const ChooseImages& choose);
// Of these the ones of this rank: i % size is its number. Throws as well Error(kUsage) for fewer
// images than ranks.
Activations load_images_of_rank(const CalibrationImages& images);

}  // namespace narrow
