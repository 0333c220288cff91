// Networks over the images of a dataset, each image read and preprocessed once.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/preprocess/preprocessing.h"
#include "narrow/evaluate.h"
#include "nn/inference/inference_network.h"

namespace narrow {

// The images that the options ask for. An image is known by its position, 0 to images - 1; the
// record at a position is position % dataset.size().
struct EvaluationData {
  Dataset dataset;
  PreprocessingOptions preprocessing;
  std::uint64_t images = 0;
};

// `reader` has the network, or one of them: where labels are numbers of a table, its classes are
// those of the images. Throws Error: kUsage for options out of range, kNotFound for a dataset that
// is not there, kCorrupt for one without records; for such labels what find_network_scope throws.
EvaluationData open_evaluation_data(const CheckpointReader& reader, const EvaluateOptions& options);

EvaluatedImages describe(const EvaluationData& data, const EvaluateOptions& options);

// A checkpoint whose network is prepared for evaluation.
struct PreparedNetwork {
  CheckpointLocation checkpoint;
  std::string scope;
  std::optional<std::int64_t> global_step;  // when the checkpoint has one
  InferenceNetwork network;
};

// Throws what is wrong with the checkpoint's variables, all of it, naming the checkpoint.
PreparedNetwork prepare_network(const CheckpointReader& reader, const EvaluateOptions& options,
                                int class_count, int threads);

// What a few images gave in one network.
struct LogitsPart {
  std::size_t network = 0;
  std::span<const std::uint64_t> positions;
  std::span<const int> labels;    // one a position
  std::span<const float> logits;  // class_count a position
};

// Runs every network on the images at `positions`. `take` is called from several threads at once,
// in no particular order; `done`, one call at a time, with the number of images that have gone
// through every network since the last call. Exceptions of both end the work and are rethrown, and
// so is what a damaged record throws.
void run_networks(const EvaluationData& data, std::span<const InferenceNetwork* const> networks,
                  std::span<const std::uint64_t> positions,
                  const std::function<void(const LogitsPart&)>& take,
                  const std::function<void(std::uint64_t)>& done);

// Accuracy, recall and loss from the predictions, in their order.
void summarize(Evaluation& evaluation);

}  // namespace narrow
