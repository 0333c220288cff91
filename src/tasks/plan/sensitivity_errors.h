// Errors of a tensor in which every element counts as much as it matters.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "narrow/checkpoint.h"
#include "narrow/scheme.h"

namespace narrow {

// What a squared error of each element of a tensor counts.
class Sensitivity {
 public:
  virtual ~Sensitivity() = default;
  // factors[i] = that of element `first` + i.
  virtual void get(std::uint64_t first, std::span<double> factors) const = 0;
};

// By the name of a tensor.
using SensitivityMap = std::map<std::string, std::unique_ptr<Sensitivity>>;

// For each scheme sum s d^2 over the elements of tensors()[index], s its sensitivity and d =
// restored - original, added up in order within pieces (TensorQuantizer::piece_elements) and then
// over them.
// The schemes have one granularity. The values must be finite: what TensorQuantizer throws
// otherwise.
std::vector<double> sensitivity_errors(const CheckpointReader& reader, std::size_t index,
                                       std::span<const Scheme> schemes,
                                       const Sensitivity& sensitivity);

}  // namespace narrow
