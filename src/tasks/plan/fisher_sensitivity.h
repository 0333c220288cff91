// How much the loss rises with a squared error of a weight, measured on images.
#pragma once

#include "narrow/checkpoint.h"
#include "narrow/plan.h"
#include "tasks/plan/sensitivity_errors.h"

namespace narrow {

// For every trainable variable of the checkpoint's ResNet V1, by name, half the diagonal of the
// empirical Fisher information: to second order and without cross terms the loss rises by
// sum F_j d_j^2 / 2 (LeCun, Denker, Solla, "Optimal Brain Damage", 1989, with the Fisher
// information in place of the Hessian). F_j is the mean over `request.max_num_batches` batches of
// batch_size * g_j^2, g the gradient of the mean cross entropy of a batch: for gradients of images
// that are independent around a mean of zero this is their mean square. Batch norm uses its stored
// statistics. The images are the first of the split, preprocessed as for evaluation.
// Batches are added up in portions of four, these in their order, so that processes that share them
// (base/exchange.h) get the same; where the result is not made, it is empty.
// Of the request its images and what it says of kFisher count. One thread computes, so that the
// result does not depend on `threads`, which read and preprocess; oneDNN may choose other
// instructions on another CPU, which changes last bits.
// Throws Error: kUsage for options out of range, what opening dataset and network throws,
// kNumeric when a gradient is not finite.
SensitivityMap fisher_sensitivity(const CheckpointReader& reader, const AllocationRequest& request,
                                  int threads);

}  // namespace narrow
