// Steps that a worker runs for several examples before it goes on to the next one, so that weights
// are read once for all of them. Internal to this folder.
#pragma once

#include <cstddef>

#include "nn/inference/inference_program.h"

namespace narrow {

struct SharedSteps {
  std::size_t first = 0;     // the steps before it run example by example
  std::size_t examples = 1;  // at most so many at once, each with memory of its own
};

// Chosen by what a cache has to hold. The order of the steps of one example stays, and so does
// every bit of its results.
SharedSteps choose_shared_steps(const InferenceProgram& program);

}  // namespace narrow
