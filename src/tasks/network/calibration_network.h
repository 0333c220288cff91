// Networks with what goes through them while methods and plans look. Graphs are those of
// is_any_graph(): ONNX files, and checkpoints of TF-Slim's networks.
#pragma once

#include <cstddef>
#include <cstdint>

#include "graph/graph.h"
#include "narrow/calibrate_network.h"
#include "narrow/checkpoint.h"
#include "nn/execution/graph_walk.h"
#include "tasks/evaluation/array_examples.h"
#include "tasks/network/batch_portions.h"

namespace narrow {

enum class ExamplesOfRank { kAll, kPortions };

struct CalibrationNetwork {
  // To what is compared: logits [N, classes], or all outputs of real numbers.
  Graph graph;
  std::size_t classes = 0;  // with a logit each in the only output; 0: outputs are any numbers
  ExampleBatches examples;  // null where none were asked for
  std::uint64_t count = 0;  // of all examples
  BatchPortions portions;   // which of them this rank has
};

// Images, or arrays for all inputs (ImageSource::inputs), and the graph for their sizes. Without
// `images`, which may be null, the graph for images of `image_size` where it takes images, or as it
// is. Throws Error(kUsage) for images without their preprocessing and for a single example,
// Error(kUnsupported) for a graph whose examples depend on each other when there are some; what
// load_calibration_images, ArrayExamples, BatchPortions, image_classifier and array_classifier
// throw.
CalibrationNetwork calibration_network(const CheckpointReader& reader,
                                       const CalibrationImages* images, int image_size,
                                       ExamplesOfRank of_rank = ExamplesOfRank::kAll);

// The same with the arrays alone, for a graph of the checkpoint's network.
CalibrationNetwork network_of_arrays(const CheckpointReader& reader, Graph graph,
                                     const CalibrationImages& images, ExamplesOfRank of_rank);

// Of the arrays those that the calibration is to see, as the graph takes them. Throws Error(kUsage)
// for fewer than 2.
GraphArrays calibration_arrays(const ArrayExamples& arrays, const CalibrationImages& images,
                               const Graph& graph);

}  // namespace narrow
