// ONNX files that classify images, as methods and plans take them: graph, weights and images in
// memory.
#pragma once

#include "graph/weights.h"
#include "model/image_classifier.h"
#include "narrow/checkpoint.h"
#include "narrow/image_source.h"
#include "nn/executor.h"
#include "nn/layerwise/activations.h"

namespace narrow {

// Height and width of what the network of an ONNX file sees: those asked for or, where that is 0,
// the file's own, or 224. Throws what onnx_network throws.
int image_size_of(const CheckpointReader& reader, int asked);

// The graph of an ONNX file, whatever it does; free sizes of its images are set to image_size_of.
// Throws what onnx_network throws.
Graph graph_for_images(const CheckpointReader& reader, int image_size);

// The graph of an ONNX file for images of this size; `images`, which may be null, are those that
// shall go through it. Throws Error(kUsage) for images without their preprocessing,
// Error(kUnsupported) for a graph whose examples depend on each other when there are images; what
// onnx_network and image_classifier throw.
ImageClassifier classifier_of_images(const CheckpointReader& reader, const ImageSource* images,
                                     int image_size);

// Of `weights`, as they are when they are asked for. They must outlive this.
ReadWeight values_of(const Weights& weights);

// Images, [images, height, width, channels], as the graph takes them.
GraphArray input_of_images(const Activations& images, bool channels_last);

}  // namespace narrow
