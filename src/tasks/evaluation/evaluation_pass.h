// Networks over the images of an evaluation, each image read and preprocessed once.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "narrow/evaluate.h"
#include "tasks/evaluation/evaluation_data.h"
#include "tasks/evaluation/image_network.h"

namespace narrow {

// A checkpoint whose network is prepared for evaluation.
struct EvaluatedNetwork {
  CheckpointLocation checkpoint;
  std::string scope;
  std::optional<std::int64_t> global_step;  // when the checkpoint has one
  Execution execution = Execution::kFloat;  // not kDefault
  std::unique_ptr<const ImageNetwork> network;
};

// The network of the checkpoint, for these examples. Throws what is wrong with the checkpoint's
// variables, all of it, naming the checkpoint; Error(kUsage) for another number of classes than the
// examples have.
EvaluatedNetwork prepare_network(const CheckpointReader& reader, const EvaluateOptions& options,
                                 const EvaluationData& data, int threads);

// The same of a graph that is not the checkpoint's own, with weights that are.
EvaluatedNetwork prepare_graph(const CheckpointReader& reader, Graph graph,
                               const EvaluateOptions& options, const EvaluationData& data,
                               int threads);

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
void run_networks(const EvaluationData& data, std::span<const ImageNetwork* const> networks,
                  std::span<const std::uint64_t> positions,
                  const std::function<void(const LogitsPart&)>& take,
                  const std::function<void(std::uint64_t)>& done);

// Accuracy, recall and loss from the predictions that have labels, in their order.
void summarize(Evaluation& evaluation);

}  // namespace narrow
