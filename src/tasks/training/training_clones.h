// Steps on several batches at once: each clone of the network takes one, on one thread of one of
// the ranks. The gradients are averaged in the order of the clones, so that a step depends on their
// number alone (TF-Slim: deployment/model_deploy.py of tensorflow/models, research/slim).
#pragma once

#include <memory>

#include "data/batch_loader.h"
#include "data/dataset.h"
#include "nn/training/training_network.h"
#include "tasks/training/training_batches.h"
#include "tasks/training/training_state.h"

namespace narrow {

// `first` is the first clone: it has the L2 terms, `clones` times as heavy as they are, which the
// average undoes. `options` are those of the others, `loader` has their number as stride. The
// number of its batch says what Dropout drops in a clone. Losses and regularization are those of
// the average, correct images of all clones; the sink gets the pieces of this rank. On other ranks
// work_on_clones has to run. `first`, its state and the dataset have to live as long.
std::unique_ptr<TrainingBatches> clone_batches(const Dataset& dataset, const LoaderOptions& loader,
                                               TrainingNetwork& first, TrainingState& state,
                                               const TrainingOptions& options, int clones,
                                               int threads);

// The clones of a rank other than the first, until that has no more steps. `first` is the first of
// this rank, with `options` as the others have them; `state` keeps slots and averages of this
// rank's share. Throws RankFailure.
void work_on_clones(const Dataset& dataset, const LoaderOptions& loader, TrainingNetwork& first,
                    TrainingState& state, const TrainingOptions& options, int clones, int threads);

}  // namespace narrow
