// Images of a dataset, preprocessed for a network.
#pragma once

#include "narrow/calibrate_network.h"
#include "nn/layerwise/activations.h"

namespace narrow {

// Records i * size / count of the split, i = 0 .. count - 1, without randomness. Throws Error:
// kUsage for an unknown dataset or split, fewer than 2 images or sizes out of range; kNotFound;
// kCorrupt naming a bad record.
Activations load_calibration_images(const CalibrationImages& images);
// Of these the ones of this rank: i % size is its number. Throws as well Error(kUsage) for fewer
// images than ranks.
Activations load_images_of_rank(const CalibrationImages& images);

}  // namespace narrow
