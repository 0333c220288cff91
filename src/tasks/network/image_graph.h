// Networks that classify images, as methods and plans take them: graph, weights and images in
// memory. They are those of is_any_graph(): ONNX files, and checkpoints of TF-Slim's networks.
#pragma once

#include "graph/weights.h"
#include "model/image_classifier.h"
#include "narrow/checkpoint.h"
#include "narrow/image_source.h"
#include "nn/executor.h"
#include "nn/layerwise/activations.h"

namespace narrow {

// Height and width of what the network sees: those asked for or, where that is 0, an ONNX file's
// own, or 224, or what TF-Slim made the network for. Throws what onnx_network throws.
int image_size_of(const CheckpointReader& reader, int asked);

// The graph, whatever it does; free sizes of its images are set to image_size_of. Throws what
// held_network throws.
Graph graph_for_images(const CheckpointReader& reader, int image_size);

// The images with the preprocessing that TF-Slim has for the network, where they name none.
ImageSource with_preprocessing(ImageSource images, const CheckpointReader& reader);

// The graph for images of this size; `images`, which may be null, are those that
// shall go through it. Throws Error(kUsage) for images without their preprocessing,
// Error(kUnsupported) for a graph whose examples depend on each other when there are images; what
// held_network and image_classifier throw.
ImageClassifier classifier_of_images(const CheckpointReader& reader, const ImageSource* images,
                                     int image_size);

// Of `weights`, as they are when they are asked for. They must outlive this.
ReadWeight values_of(const Weights& weights);

// Images, [images, height, width, channels], as the graph takes them.
GraphArray input_of_images(const Activations& images, bool channels_last);

}  // namespace narrow
