// Plans as networks on labelled images. Internal to this folder.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "narrow/plan_accuracy.h"
#include "tasks/evaluation/evaluation_data.h"
#include "tasks/evaluation/evaluation_pass.h"

namespace narrow {

// Positions of images, ascending.
using ImagePositions = std::vector<std::uint64_t>;

// Which images are for what.
struct ImageParts {
  ImagePositions search;  // and all else that is chosen with images; empty without a goal
  ImagePositions verification;
};

// `count` of them, as images are taken for calibration; all for a count of at least the size.
ImagePositions spread_positions(std::uint64_t count, std::uint64_t size);

// Of `size` images. Throws Error(kUsage) when too few are left for the verification.
ImageParts image_parts(std::uint64_t size, const AllocationRequest& request,
                       const AccuracyOptions& options);

class PlanNetworks {
 public:
  // Everything must outlive this. Throws what opening the images throws.
  PlanNetworks(const CheckpointReader& reader, const AllocationRequest& request,
               const AccuracyOptions& options, const RunOptions& run);

  [[nodiscard]] std::uint64_t size() const { return data_.size(); }
  [[nodiscard]] EvaluatedImages images() const { return describe(data_, evaluate_); }

  // What each network gives for the images at these positions, which are read once: accuracy and
  // predictions. Null is the float network. Throws what quantize_network and evaluate_checkpoints
  // throw; Error(kUsage) for an image without a label.
  [[nodiscard]] std::vector<Evaluation> predict(std::span<const BitAllocation* const> plans,
                                                std::span<const std::uint64_t> positions) const;

 private:
  [[nodiscard]] std::unique_ptr<const CheckpointReader> quantized(const QuantizePlan& plan) const;
  [[nodiscard]] EvaluatedNetwork prepared(const BitAllocation* plan, int threads) const;

  const CheckpointReader& reader_;
  const AllocationRequest& request_;
  const NetworkMethods& methods_;
  const RunOptions& run_;
  EvaluateOptions evaluate_;
  EvaluationData data_;
};

}  // namespace narrow
