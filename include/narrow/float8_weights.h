// Weights of 8-bit floating point with scales beside them, as the numbers that they stand for.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "narrow/checkpoint.h"
#include "narrow/export.h"

namespace narrow {

// What was restored of a checkpoint.
struct Float8Summary {
  std::uint64_t weights = 0;         // tensors
  std::uint64_t scales = 0;          // tensors that are dropped
  std::uint64_t stored_bytes = 0;    // of both in the file
  std::uint64_t restored_bytes = 0;  // of the weights as they are given
  DType dtype = DType::kBFloat16;    // that they are given in
};

// "3 float8 weights and 3 scales (1.2 kB) restored as bfloat16 (2.3 kB)".
NARROW_EXPORT std::string describe(const Float8Summary& summary);

// A reader that gives every float8 weight NAME with a scale beside it as bfloat16: value times
// scale in float32, rounded once to the nearest, ties to even. The scale is NAME_scale_inv or
// NAME_scale, which both multiply, of any floating-point type or F8_E8M0: one number; [rows] or
// [rows, 1] for the first axis; or, along each axis, one for all, for each element, or for each
// block of 128 or of an equal part. It is not listed any more. A weight whose scale has another
// shape and one without a scale stay what they are. `cast` (kBFloat16 or kFloat32) is the type to
// restore to, and then a weight without a scale is restored as well, as the values that it has.
// Without anything to restore `reader` itself. Throws what reading the scales throws when a weight
// is opened.
NARROW_EXPORT std::unique_ptr<CheckpointReader> restore_float8(
    std::unique_ptr<CheckpointReader> reader, std::optional<DType> cast);

// What the reader restores, if anything.
NARROW_EXPORT std::optional<Float8Summary> float8_summary(const CheckpointReader& reader);

}  // namespace narrow
