// Graphs that classify images or other examples, as the jobs that evaluate them want them.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "graph/graph.h"

namespace narrow {

// The input of a graph that takes images with three channels.
struct ImageInput {
  bool channels_last = false;  // [N, height, width, 3] instead of [N, 3, height, width]
  Dimension examples;
  Dimension height;
  Dimension width;
};

// Whether image_input() finds one.
bool takes_images(const Graph& graph);

// Throws Error(kUnsupported), saying what the graph takes, unless its only input is float32 images.
ImageInput image_input(const Graph& graph);

struct ImageClassifier {
  // From images to [N, classes], which are logits where the graph says so: a softmax over the
  // classes at the end is left out, as it changes neither the order of the classes nor, but for
  // rounding, the probabilities that are computed from its inputs.
  Graph graph;
  bool channels_last = false;  // as ImageInput has it
  int class_count = 0;
  // Examples go through the graph one by one: something in it holds their number to be 1, or mixes
  // them.
  bool one_by_one = false;
};

// The graph for images of this size. Its classes are the first output with two axes; what only
// other outputs need is left out.
// Throws Error(kUnsupported) as image_input does, for other sizes than those of the input, for a
// graph that takes several examples at once, and when no output is [N, classes]; what infer_facts
// throws.
ImageClassifier image_classifier(Graph graph, int height, int width);

struct ArrayClassifier {
  // From the graph's inputs, with a free first size, to what is compared: logits [N, classes] as
  // above, or without such an output all outputs of floating-point types. Without float16 and
  // bfloat16 (widen_halves.h).
  Graph graph;
  bool has_classes = false;
  int outputs = 0;  // numbers that it gives for an example
};

// The graph for inputs of these shapes, each of one example. Throws Error(kUnsupported) for a graph
// that takes several examples at once or gives no real numbers, or whose results have unknown
// sizes; what infer_facts throws.
ArrayClassifier array_classifier(Graph graph, const std::vector<Shape>& shapes);

}  // namespace narrow
