// How the example trains: what gives a sound network in minutes where Slim's defaults do not.
#pragma once

#include <string>

#include "narrow/example.h"

namespace narrow {

// The training of the example. Where it differs from Slim's defaults, the reason stands beside it.
TrainOptions example_training(const ExampleOptions& options);

// The same as a command of its own.
std::string train_command(const TrainOptions& options);

}  // namespace narrow
