// Steps on several batches at once: each clone of the network takes one, on one thread of one of
// the ranks. The gradients are averaged in the order of the clones, so that a step depends on their
// number alone (TF-Slim: deployment/model_deploy.py of tensorflow/models, research/slim).
#pragma once

#include <memory>

#include "data/batch_loader.h"
#include "data/dataset.h"
#include "graph/weight_source.h"
#include "nn/training/training_network.h"
#include "tasks/training/training_batches.h"

namespace narrow {

// `first` is the first clone: it has the L2 terms, `clones` times as heavy as they are, which the
// average undoes. `options` are those of the others, `loader` has their number as stride. The
// number of its batch says what Dropout drops in a clone. Losses and regularization are those of
// the average, correct images of all clones; the sink gets a whole parameter at a time. On other
// ranks work_on_clones has to run. `first` and the dataset have to live as long.
std::unique_ptr<TrainingBatches> clone_batches(const Dataset& dataset, const LoaderOptions& loader,
                                               TrainingNetwork& first,
                                               const TrainingOptions& options, int clones,
                                               int threads);

// The clones of a rank other than the first, until that has no more steps. `initial` has the
// weights that are not trained. Throws RankFailure.
void work_on_clones(const Dataset& dataset, const LoaderOptions& loader, const Graph& graph,
                    const WeightSource& initial, const TrainingOptions& options, int clones,
                    int threads);

}  // namespace narrow
