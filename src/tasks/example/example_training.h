// How the example trains: what gives a sound network in minutes where Slim's defaults do not.
#pragma once

#include <cstdint>

#include "narrow/run_example.h"

namespace narrow {

// The training of the example on so many images. Where it differs from Slim's defaults, the reason
// stands beside it.
TrainOptions example_training(const ExampleOptions& options, std::uint64_t train_images);

}  // namespace narrow
