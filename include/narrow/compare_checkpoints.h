// What differs between two checkpoints.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "narrow/checkpoint.h"
#include "narrow/export.h"
#include "narrow/quantize_values.h"
#include "narrow/run_options.h"

namespace narrow {

// One tensor that both checkpoints have.
struct NARROW_EXPORT TensorComparison {
  TensorInfo reference;     // as in the first
  TensorInfo other;         // as in the second
  bool comparable = false;  // same shape, and both numbers or both of one other type
  bool identical = false;   // same type, shape and bytes
  // d = other - reference, over the positions where both are finite. A complex number counts as
  // its two parts. Zero counts for strings and opaque types.
  ErrorSums errors;
  // Positions where one of the two is NaN or infinite and they are not the same.
  std::uint64_t non_finite_differences = 0;

  // errors.relative_l2(), but +infinity with non-finite differences, or when strings or opaque
  // bytes differ or the tensors are not comparable.
  [[nodiscard]] double relative_l2() const;
};

struct CheckpointComparison {
  std::vector<TensorComparison> tensors;    // in the order of the first
  std::vector<std::string> only_reference;  // names
  std::vector<std::string> only_other;
  ErrorSums pooled;
  std::uint64_t identical = 0;
  double max_relative_l2 = 0;

  [[nodiscard]] bool same_names() const { return only_reference.empty() && only_other.empty(); }
};

// Which tensors belong to each other.
enum class TensorPairs : std::uint8_t {
  kNames,
  // Those whose names are in one of the two only, by their shapes: the first of a shape with the
  // first, the second with the second, where both have equally many of it. So one network under the
  // names of two frameworks is compared.
  kNamesThenShapes,
};

// Reads both once, in bounded memory. Progress is in bytes of the first. Throws Error from the
// readers; kInterrupted.
NARROW_EXPORT CheckpointComparison compare_checkpoints(const CheckpointReader& reference,
                                                       const CheckpointReader& other,
                                                       TensorPairs pairs = TensorPairs::kNames,
                                                       const RunOptions& run = {});

}  // namespace narrow
