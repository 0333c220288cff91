// What a step is taken on: images from the loader, or features that were computed once.
#pragma once

#include <memory>
#include <vector>

#include "data/batch_loader.h"
#include "data/dataset.h"
#include "data/record_order.h"
#include "narrow/train.h"
#include "nn/training/training_network.h"

namespace narrow {

class TrainingBatches {
 public:
  virtual ~TrainingBatches() = default;
  // Loss and gradients of the next batch.
  virtual StepLoss forward_backward(TrainingNetwork& network, const GradientSink& sink) = 0;
  // Takes from other ranks what they keep of slots and averages, for a checkpoint.
  virtual void collect() {}
  // There are no more steps.
  virtual void finish() {}
};

// The preprocessing that the options mean. Throws Error(kUsage) as validate does.
PreprocessingOptions training_preprocessing(const TrainOptions& options);

// The loader of a training whose step `first_step` comes next; `threads` 0: all cores.
LoaderOptions training_loader(const TrainOptions& options, std::int64_t first_step, int threads);

std::unique_ptr<TrainingBatches> image_batches(const Dataset& dataset,
                                               const LoaderOptions& options);

// Whether the network below the logits, which has no clones, gives every image the same features in
// every epoch, and keeping them is worth it: it fits in kMostFeatureBytes, and more than one epoch
// may come.
constexpr std::uint64_t kMostFeatureBytes = std::uint64_t{4} << 30;
bool can_cache_features(const TrainOptions& options, const Graph& network,
                        const std::vector<std::string>& trained, std::uint64_t records);

// Computes the features of all records, in file order. The batches are those of image_batches.
// Throws Error(kInterrupted) when the observer stops it.
std::unique_ptr<TrainingBatches> feature_batches(const Dataset& dataset,
                                                 const LoaderOptions& options,
                                                 TrainingNetwork& network, Observer& observer);

}  // namespace narrow
