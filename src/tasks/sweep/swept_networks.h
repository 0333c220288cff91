// The networks of a sweep. Internal to this folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "narrow/sweep_evaluation.h"
#include "tasks/activations/calibrated_network.h"
#include "tasks/evaluation/evaluation_pass.h"

namespace narrow {

// Network 0 is the float network; then come those of the first scheme, one for each of the
// activations, those of the second, and so on.
class SweptNetworks {
 public:
  // Everything must outlive this. Throws Error: kUsage without any kind of activations,
  // kUnsupported for activations of what is no ONNX file.
  SweptNetworks(const CheckpointReader& reader, std::span<const std::size_t> indices,
                std::span<const Scheme> schemes, const SweepEvaluationOptions& options);

  [[nodiscard]] std::size_t size() const {
    return 1 + schemes_.size() * options_.activations.size();
  }
  // By which a journal knows it.
  [[nodiscard]] std::uint64_t id(std::size_t network) const;
  // Fast for networks that follow one another: images show the same ranges for all activations of a
  // scheme. Throws what prepare_network, reading quantized tensors and quantize_activations throw.
  EvaluatedNetwork prepare(std::size_t network, const EvaluateOptions& evaluate,
                           const EvaluationData& data, int threads);

 private:
  [[nodiscard]] const Scheme& scheme_of(std::size_t network) const;
  [[nodiscard]] const std::optional<ActivationScheme>& activations_of(std::size_t network) const;
  const CalibratedNetwork& calibrated(const Scheme& scheme, int threads);

  const CheckpointReader& reader_;
  std::span<const std::size_t> indices_;
  std::span<const Scheme> schemes_;
  const SweepEvaluationOptions& options_;
  std::unique_ptr<const CalibratedNetwork> calibrated_;  // of this scheme
  const Scheme* calibrated_scheme_ = nullptr;
};

}  // namespace narrow
