// Where the steps of quantized activations begin.
#pragma once

#include "nn/training/training_network.h"
#include "tasks/training/training_preparation.h"

namespace narrow {

// Sets those that are read from no checkpoint to 2 mean(|x|) / sqrt(Q) over the values x of the
// first batches, Q the greatest code: Esser et al., "Learned Step Size Quantization", 2019,
// section 2.1. None of them is rounded meanwhile. Returns the network. Throws Error(kNumeric)
// naming a value that is not finite, and what reading the dataset throws.
TrainingNetwork& with_first_steps(TrainingNetwork& network, const TrainingPreparation& preparation,
                                  int threads);

}  // namespace narrow
