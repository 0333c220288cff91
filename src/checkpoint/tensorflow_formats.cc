// The table of a program that knows TensorFlow's checkpoints alone.
#include <array>
#include <span>

#include "checkpoint/container/formats.h"
#include "checkpoint/tensorflow/tensorflow_drivers.h"

namespace narrow {
namespace {

constexpr auto kTensorFlowDrivers =
    std::to_array<CheckpointDriver>({kTensorFlowV2Driver, kTensorFlowV1Driver});

}  // namespace

std::span<const CheckpointDriver> checkpoint_drivers() { return kTensorFlowDrivers; }

}  // namespace narrow
