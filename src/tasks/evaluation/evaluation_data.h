// The examples on which networks are evaluated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/exchange.h"
#include "data/dataset.h"
#include "data/preprocess/preprocessing.h"
#include "narrow/evaluate.h"
#include "tasks/evaluation/array_examples.h"
#include "tasks/evaluation/image_arrays.h"

namespace narrow {

// The examples that the options ask for. One is known by its position, 0 to images - 1; what it
// shows is the record, picture or array at position % size().
struct EvaluationData {
  std::optional<Dataset> dataset;     // records or pictures, with their preprocessing
  std::optional<ImageArrays> arrays;  // or these
  // Or these, for a network that takes no images: what it is given of an example is one float, its
  // position.
  std::optional<ArrayExamples> examples;
  PreprocessingOptions preprocessing;
  std::vector<std::string> classes;  // names, by label; none where the network has no classes
  int outputs = 0;                   // numbers that such a network gives for an example
  int height = 0;                    // of what the network sees
  int width = 0;
  std::uint64_t images = 0;

  [[nodiscard]] std::uint64_t size() const;
  [[nodiscard]] bool has_arrays() const { return arrays || examples; }
  // The file and the labels of arrays, where there are some.
  [[nodiscard]] const std::filesystem::path& arrays_path() const {
    return arrays ? arrays->path() : examples->path();
  }
  [[nodiscard]] const ExampleLabels& arrays_labels() const {
    return arrays ? arrays->labels() : examples->labels();
  }
  // Logits, or other numbers, of an example.
  [[nodiscard]] int class_count() const {
    return classes.empty() ? outputs : static_cast<int>(classes.size());
  }
  // Floats of one image.
  [[nodiscard]] std::size_t image_floats() const;
  // Puts the image at a position into `pixels`, height x width x channels; returns its label, -1
  // where there are none. Safe to call from several threads. Throws what Dataset::read throws.
  int load(std::uint64_t position, std::span<float> pixels) const;
};

// The options with what the network says where they say nothing: the size of its images. Throws
// Error: kUsage when neither says it, or how images are preprocessed; what reading the network of
// an ONNX file throws.
EvaluateOptions settle(EvaluateOptions options, const CheckpointReader& reader);

// For settled options. `reader` has the network, or one of them: where labels are numbers without
// names, its classes are those of the images. Throws Error: kUsage for options out of range,
// kNotFound for a dataset that is not there, kCorrupt for one without records; for such labels what
// reading the network throws; what the constructor of ImageArrays throws.
EvaluationData open_evaluation_data(const CheckpointReader& reader, const EvaluateOptions& options);

EvaluatedImages describe(const EvaluationData& data, const EvaluateOptions& options);

// The positions of this share, ascending: portions of 16 images are dealt out in turn.
std::vector<std::uint64_t> positions_of(const Share& share, std::uint64_t images);

// Of the examples and how the network sees them, for parts of an evaluation.
std::string fingerprint(const EvaluationData& data, const EvaluateOptions& options);

}  // namespace narrow
