// What values between operators are for the images, or arrays, of a calibration. Internal to this
// folder.
#pragma once

#include <vector>

#include "graph/graph.h"
#include "methods/activations/value_statistics.h"
#include "narrow/calibrate_network.h"
#include "narrow/run_options.h"
#include "nn/executor.h"

namespace narrow {

// Of each of `values`, in their order; the same for every number of threads. The graph has one
// input of images, or there is an array for each of its inputs. Progress is in examples. Throws
// Error(kNumeric) naming a value that is not finite; what load_calibration_images, image_input and
// ArrayExamples throw.
std::vector<ValueStatistics> observe_values(const Graph& graph, const std::vector<ValueId>& values,
                                            const ReadWeight& read_weight,
                                            const CalibrationImages& images, const RunOptions& run,
                                            std::uint64_t& image_count);

}  // namespace narrow
