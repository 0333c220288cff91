// What activations and overflow leave of the codes of a format.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "nn/integer/quantized_steps.h"

namespace narrow {

// Of a Relu or a Clip.
struct ActivationBounds {
  std::optional<float> least;
  std::optional<float> greatest;
};

// The codes of a type that come out of these, one after the other: as rounding keeps the order, the
// codes of bounds bound the codes. Where the least is more than the greatest, the greatest counts.
IntegerFormat bounded_format(IntegerFormat format, std::span<const ActivationBounds> bounds);

// A rounded number as a code less the zero point: first within the bounds of the activation, then
// what the format does with an overflow.
std::int64_t code_of(std::int64_t number, const IntegerFormat& format);

}  // namespace narrow
