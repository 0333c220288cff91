// Damage of the widths of values between operators. Internal to this folder.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "narrow/plan.h"

namespace narrow {

// Values that share a format.
struct ActivationCosts {
  std::vector<std::string> values;
  std::uint64_t elements = 0;  // of one example
  std::vector<double> damage;  // one a scheme of the request
};

// Throws Error for a request whose activations cannot be planned: kUsage for another kind of damage
// than kMeasured, kUnsupported for what is no ONNX file.
void require_plannable_activations(const CheckpointReader& reader,
                                   const AllocationRequest& request);

// Of each group in the order of execution: the change of the classes of images (kMeasured) when its
// values alone have codes of each of request.activations, in a network whose weights at `indices`
// have the widest of `schemes`. Ranges come from the same images. From the first width on whose
// damage is below 10^-4 nats, each further bit quarters it, as it does the power of small noise.
// None without activations in the request. Throws what quantize_activations throws;
// Error(kInterrupted).
std::vector<ActivationCosts> activation_costs(const CheckpointReader& reader,
                                              std::span<const std::size_t> indices,
                                              std::span<const Scheme> schemes,
                                              const AllocationRequest& request,
                                              const RunOptions& run);

}  // namespace narrow
