// Moving statistics recomputed from whole batches instead of by a moving average.
#pragma once

#include "data/batch_loader.h"
#include "nn/training/training_network.h"

namespace narrow {

// Replaces every layer's moving mean and variance by those of all values that it sees in the next
// `batches` batches of `loader` in training mode, each normalized by its own statistics: "precise
// batch norm" (Wu, Johnson, "Rethinking 'Batch' in BatchNorm", 2021). Batches are merged in double,
// in order; the variance is the unbiased one, as Slim's moving variance is.
void recalibrate_batch_norm(TrainingNetwork& network, BatchLoader& loader, int batches);

}  // namespace narrow
