// Errors of a tensor in which every element counts as much as it matters.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "narrow/checkpoint.h"
#include "narrow/scheme.h"

namespace narrow {

// What a squared error of each element of a tensor counts.
class ElementWeights {
 public:
  virtual ~ElementWeights() = default;
  // weights[i] = that of element `first` + i.
  virtual void get(std::uint64_t first, std::span<double> weights) const = 0;
};

// For each scheme sum w d^2 over the elements of tensors()[index], d = restored - original, added
// up in order within pieces (TensorQuantizer::piece_elements) and then over them.
// The schemes have one granularity. The values must be finite: what TensorQuantizer throws
// otherwise.
std::vector<double> weighted_errors(const CheckpointReader& reader, std::size_t index,
                                    std::span<const Scheme> schemes, const ElementWeights& weights);

}  // namespace narrow
