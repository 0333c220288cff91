#include "tasks/evaluation/evaluation_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/checked.h"
#include "base/file.h"
#include "graph/slim/slim_networks.h"
#include "model/checkpoint_network.h"
#include "model/image_classifier.h"
#include "model/onnx/onnx_network.h"
#include "narrow/error.h"
#include "tasks/shares/fingerprint.h"
#include "tasks/source_images.h"

namespace narrow {
namespace {

// Results for so many images are kept: some 100 bytes each.
constexpr std::uint64_t kMostImages = std::uint64_t{1} << 28;
// Dealt out together: several micro-batches of the executors.
constexpr std::uint64_t kPortionImages = 16;

std::uint64_t count_images(std::uint64_t records, const EvaluateOptions& options) {
  const auto batch = static_cast<std::uint64_t>(options.batch_size);
  const std::uint64_t batches =
      options.max_num_batches > 0 ? options.max_num_batches : (records + batch - 1) / batch;
  std::uint64_t images = 0;
  const bool fits = checked_mul(batches, batch, &images);
  if (!options.slim_batches) return fits ? std::min(images, records) : records;
  if (!fits || images > kMostImages) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} batches of {} images are more than the {} images that one "
                            "evaluation counts",
                            batches, batch, kMostImages));
  }
  return images;
}

// Of the network that the options mean, for images of this size; 0: not known.
int network_classes(const CheckpointReader& reader, const EvaluateOptions& options, int height,
                    int width) {
  if (is_onnx(reader)) return image_classifier(onnx_network(reader), height, width).class_count;
  const CheckpointVariables variables(reader, options.use_moving_averages);
  const std::string scope =
      options.model_name.empty() ? find_network_scope(reader) : options.model_name;
  return checkpoint_class_count(variables, scope).value_or(0);
}

Graph network_of(const CheckpointReader& reader, const EvaluateOptions& options) {
  return held_network(reader, CheckpointVariables(reader, options.use_moving_averages),
                      options.model_name);
}

int image_size_of(const CheckpointReader& reader, const SlimNetwork* slim) {
  if (!is_onnx(reader)) return usual_image_size(slim);
  const std::string where = reader.location().path.string();
  const Graph graph = onnx_network(reader);
  const ImageInput input = image_input(graph);
  if (input.height.is_free() || input.width.is_free()) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("the images that {} takes may be of any size; set image_size to that "
                            "of this evaluation",
                            where));
  }
  if (input.height != input.width) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{} takes images of {} x {} pixels, but images are made square here",
                            where, input.height.size, input.width.size));
  }
  return static_cast<int>(std::min(input.height.size, std::int64_t{kMaxImageSide} + 1));
}

void name_classes(int count, const EvaluateOptions& options, EvaluationData& data) {
  for (int i = 0; i < count; ++i) {
    data.classes.push_back(fmt::format("{}", std::int64_t{i} + options.images.labels_offset));
  }
}

// For a network that takes no images.
void open_examples(Graph network, const EvaluateOptions& options, EvaluationData& data) {
  data.examples.emplace(options.images.inputs, network, options.images.labels_offset);
  constexpr std::size_t kMostExamples = std::size_t{1} << 24;  // whose positions are floats
  if (data.examples->size() > kMostExamples) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{} has {} examples, expected at most {}",
                            data.examples->path().string(), data.examples->size(), kMostExamples));
  }
  const ArrayClassifier classifier = array_classifier(std::move(network), data.examples->shapes(1));
  if (classifier.has_classes) {
    name_classes(classifier.outputs, options, data);
    data.examples->labels().require_below(classifier.outputs);
    return;
  }
  data.outputs = classifier.outputs;
  if (!data.examples->labels().are_there()) return;
  throw Error(ErrorCategory::kUsage,
              fmt::format("{} has labels, but no output of {} is float32[N, classes]",
                          data.examples->path().string(), classifier.graph.name));
}

void open_arrays(const CheckpointReader& reader, const EvaluateOptions& options,
                 EvaluationData& data) {
  Graph network = network_of(reader, options);
  if (!takes_images(network)) return open_examples(std::move(network), options, data);
  data.arrays.emplace(options.images.inputs, network, options.images.labels_offset);
  data.height = data.arrays->height();
  data.width = data.arrays->width();
  const int count = network_classes(reader, options, data.height, data.width);
  name_classes(count, options, data);
  data.arrays->labels().require_below(count);
}

void open_images(const CheckpointReader& reader, const EvaluateOptions& options,
                 EvaluationData& data) {
  data.preprocessing = preprocessing_of(options.images);
  data.dataset = open_dataset(options.images);
  Dataset& dataset = *data.dataset;
  if (dataset.size() == 0) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{} has no records; make it again", dataset.records().path().string()));
  }
  data.height = data.width = data.preprocessing.output_size;
  // Labels that are numbers do not tell how many classes there are; the network does.
  if (dataset.has_more_classes()) {
    dataset.name_more_classes(network_classes(reader, options, data.height, data.width));
  }
  data.classes = dataset.classes();
}

}  // namespace

std::uint64_t EvaluationData::size() const {
  if (examples) return examples->size();
  return dataset ? dataset->size() : arrays->size();
}

std::size_t EvaluationData::image_floats() const {
  if (examples) return 1;
  return static_cast<std::size_t>(height) * static_cast<std::size_t>(width) * kImageChannels;
}

int EvaluationData::load(std::uint64_t position, std::span<float> pixels) const {
  const std::size_t index = position % size();
  if (has_arrays()) {
    if (arrays) arrays->load(index, pixels);
    if (examples) pixels.front() = static_cast<float>(index);
    return arrays_labels().of(index);
  }
  const LabeledImage labeled = dataset->read(index);
  preprocess_for_evaluation(labeled.image, preprocessing, pixels);
  return labeled.label;
}

EvaluateOptions settle(EvaluateOptions options, const CheckpointReader& reader) {
  ImageSource& images = options.images;
  if (!images.inputs.empty()) return options;
  const SlimNetwork* const slim = slim_network_of(reader, options.model_name);
  if (images.image_size == 0) images.image_size = image_size_of(reader, slim);
  if (images.preprocessing_name.empty() && slim != nullptr) images.preprocessing_name = slim->name;
  if (images.preprocessing_name.empty() && is_onnx(reader)) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} does not say how its images are preprocessed; set "
                            "preprocessing_name to what it was trained with: vgg, inception, "
                            "cifarnet, lenet or imagenet",
                            reader.location().path.string()));
  }
  return options;
}

EvaluationData open_evaluation_data(const CheckpointReader& reader,
                                    const EvaluateOptions& options) {
  if (options.batch_size < 1) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("the batch size is {}; it must be at least 1", options.batch_size));
  }
  require_one_source(options.images);
  EvaluationData data;
  if (options.images.inputs.empty()) {
    open_images(reader, options, data);
  } else {
    open_arrays(reader, options, data);
  }
  data.images = count_images(data.size(), options);
  return data;
}

EvaluatedImages describe(const EvaluationData& data, const EvaluateOptions& options) {
  EvaluatedImages images;
  images.dataset_name = options.images.name();
  images.split_name = options.images.split();
  images.classes = data.classes;
  images.records_in_file = data.size();
  images.images = data.images;
  images.image_size = data.height == data.width ? data.height : 0;
  images.has_classes = !data.classes.empty();
  if (data.has_arrays()) {
    images.records = data.arrays_path();
    images.has_labels = data.arrays_labels().are_there();
    images.preprocessing = "none";
    return images;
  }
  images.records = data.dataset->records().path();
  images.preprocessing = to_string(data.preprocessing.kind);
  const PreprocessingKind kind = data.preprocessing.kind;
  const bool is_cropped = data.preprocessing.resize == ResizeMode::kCrop &&
                          kind != PreprocessingKind::kInception &&
                          kind != PreprocessingKind::kLenet;
  images.resize_side = is_cropped ? data.preprocessing.resize_side : 0;
  images.changes = describe_changes(options.images);
  return images;
}

std::vector<std::uint64_t> positions_of(const Share& share, std::uint64_t images) {
  std::vector<std::uint64_t> positions;
  for (std::uint64_t position = 0; position < images; ++position) {
    if (share.has(position / kPortionImages)) positions.push_back(position);
  }
  return positions;
}

std::string fingerprint(const EvaluationData& data, const EvaluateOptions& options) {
  const std::string examples =
      data.has_arrays() ? fmt::format("arrays of {} bytes", InputFile(data.arrays_path()).size())
                        : fingerprint(data.dataset->records());
  return fmt::format("{} {} {} {} {} {} {}", examples, data.images, data.height, data.width,
                     to_string(data.preprocessing.kind), data.class_count(),
                     data.has_arrays() ? "" : describe_changes(options.images));
}

}  // namespace narrow
