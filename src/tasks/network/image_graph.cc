#include "tasks/network/image_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "data/images/image.h"
#include "graph/slim/slim_networks.h"
#include "model/checkpoint_network.h"
#include "model/onnx/onnx_network.h"
#include "narrow/error.h"

namespace narrow {
namespace {

Graph graph_of(const CheckpointReader& reader) {
  return held_network(reader, CheckpointVariables(reader, false), "");
}

int image_size_in(const Graph& graph, int asked) {
  if (asked != 0 || !takes_images(graph)) return asked;
  const Dimension height = image_input(graph).height;
  return height.is_free()
             ? kUsualImageSize
             : static_cast<int>(std::min(height.size, std::int64_t{kMaxImageSide} + 1));
}

}  // namespace

int image_size_of(const CheckpointReader& reader, int asked) {
  if (asked != 0) return asked;
  if (is_onnx(reader)) return image_size_in(onnx_network(reader), asked);
  return usual_image_size(slim_network_of(reader, ""));
}

ImageSource with_preprocessing(ImageSource images, const CheckpointReader& reader) {
  const SlimNetwork* const slim = slim_network_of(reader, "");
  if (images.preprocessing_name.empty() && slim != nullptr) images.preprocessing_name = slim->name;
  return images;
}

Graph graph_for_images(const CheckpointReader& reader, int image_size) {
  Graph graph = graph_of(reader);
  if (!takes_images(graph)) return graph;
  const ImageInput input = image_input(graph);
  Dimensions& sizes = graph.values[static_cast<std::size_t>(graph.inputs.front())].dimensions;
  const int size = image_size_of(reader, image_size);
  const std::size_t height = input.channels_last ? 1 : 2;
  for (const std::size_t axis : {height, height + 1}) {
    if (sizes[axis].is_free()) sizes[axis] = size;
  }
  return graph;
}

ImageClassifier classifier_of_images(const CheckpointReader& reader, const ImageSource* images,
                                     int image_size) {
  const std::string where = reader.location().path.string();
  if (images != nullptr && images->preprocessing_name.empty()) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} does not say how its images are preprocessed; set "
                            "preprocessing_name to what it was trained with: vgg, cifarnet or "
                            "imagenet",
                            where));
  }
  ImageClassifier classifier = image_classifier(graph_of(reader), image_size, image_size);
  if (images != nullptr && classifier.one_by_one) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{} takes its examples one by one, or mixes them; methods with images "
                            "need a network of free batch size",
                            where));
  }
  return classifier;
}

ReadWeight values_of(const Weights& weights) {
  return [&weights](const Weight& weight) {
    const auto bytes = std::as_bytes(weights.values(weight.name));
    return GraphArray{DType::kFloat32, weight.shape, {bytes.begin(), bytes.end()}};
  };
}

GraphArray input_of_images(const Activations& images, bool channels_last) {
  GraphArray input;
  input.type = DType::kFloat32;
  const auto pixels =
      static_cast<std::size_t>(images.height) * static_cast<std::size_t>(images.width);
  const auto channels = static_cast<std::size_t>(images.channels);
  input.shape = {images.images, images.channels, images.height, images.width};
  if (channels_last) input.shape = {images.images, images.height, images.width, images.channels};
  input.bytes.resize(images.values.size() * sizeof(float));
  for (std::size_t i = 0; i < images.values.size(); ++i) {
    const std::size_t image = i / (pixels * channels) * pixels * channels;
    const std::size_t place = i - image;
    const std::size_t to = channels_last ? i : image + place % channels * pixels + place / channels;
    std::memcpy(input.bytes.data() + to * sizeof(float), &images.values[i], sizeof(float));
  }
  return input;
}

}  // namespace narrow
