// What gives logits of images, whatever it computes them with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "graph/weight_source.h"
#include "model/checkpoint_network.h"
#include "model/image_classifier.h"
#include "narrow/checkpoint.h"
#include "narrow/execution.h"
#include "nn/inference/inference_network.h"
#include "tasks/evaluation/array_examples.h"

namespace narrow {

// Images are height x width x channels. Results do not depend on the number of threads, on the
// other images or on how calls split them. Safe to use from several threads.
class ImageNetwork {
 public:
  virtual ~ImageNetwork() = default;
  [[nodiscard]] virtual std::uint64_t weight_bytes() const = 0;
  // As the functions of InferenceNetwork.
  virtual void run(std::span<const float> images, std::int64_t count,
                   std::span<float> logits) const = 0;
  virtual void run_each(std::int64_t count, const InferenceNetwork::FillImages& fill,
                        const InferenceNetwork::TakeLogits& take) const = 0;
};

// Throws what the constructor of InferenceNetwork throws.
std::unique_ptr<ImageNetwork> make_slim_network(const Graph& graph, const WeightSource& source,
                                                int height, int width, int threads);

// Reads the weights, which are `variables` of the reader, before it returns: those of the graph's
// type as they are, others converted. Throws what check_weights and reading them throw.
std::unique_ptr<ImageNetwork> make_graph_network(ImageClassifier classifier,
                                                 const CheckpointReader& reader,
                                                 const CheckpointVariables& variables, int height,
                                                 int width, int threads,
                                                 Execution execution = Execution::kFloat,
                                                 const IntegerArithmetic& arithmetic = {});

// The same for examples that are arrays, which must outlive it: an image is the position of one.
std::unique_ptr<ImageNetwork> make_array_network(ArrayClassifier classifier,
                                                 const ArrayExamples& examples,
                                                 const CheckpointReader& reader,
                                                 const CheckpointVariables& variables, int threads,
                                                 Execution execution = Execution::kFloat,
                                                 const IntegerArithmetic& arithmetic = {});

}  // namespace narrow
