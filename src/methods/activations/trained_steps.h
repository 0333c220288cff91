// Scales of values between operators as variables of a network in training, named after the value,
// and after the width and sign of its codes: "resnet_v1_50/conv1/Relu/activation_step/uint4".
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"
#include "methods/activations/activation_range.h"
#include "methods/activations/quantizer_places.h"
#include "narrow/activation_scheme.h"
#include "nn/training/training_network.h"

namespace narrow {

// Codes are 0 to 2^bits - 1 or, signed, -2^(bits - 1) to 2^(bits - 1) - 1; the zero point is 0.
struct TrainedStep {
  std::string value;  // the first of those that share it
  int bits = 8;
  bool is_signed = false;

  [[nodiscard]] std::string variable() const;
  [[nodiscard]] CodeInterval codes() const;
  // Of an integer file. Unsigned types hold signed codes with a zero point of 2^(bits - 1).
  [[nodiscard]] ActivationFormat format(float step, bool in_unsigned_type) const;
  bool operator==(const TrainedStep&) const = default;
};

// Of the name of a variable; nothing for other names.
std::optional<TrainedStep> trained_step(std::string_view variable);

// The formats of groups of values by the variables of their steps. Where one step is unsigned all
// types are, since engines want one type around an operator. Throws Error(kUsage) naming a value
// without a step.
std::vector<ActivationFormat> trained_formats(const Graph& graph,
                                              const std::vector<QuantizerGroup>& groups,
                                              const std::map<std::string, float>& steps);

// A step, and the values that it quantizes. Those that only move such values are codes by
// themselves and left out.
struct StepPlace {
  TrainedStep step;
  std::vector<std::string> values;
};

// Of the values that become codes when a network has them, which is as evaluation computes it.
// Codes are unsigned in affine schemes where no value can be below 0. Throws Error(kUsage) for
// kFixedPoint, whose steps no gradient moves, and for a rule that matches nothing.
std::vector<StepPlace> step_places(const Graph& network, const ActivationScheme& scheme,
                                   const std::vector<ActivationRule>& rules);

// Puts QuantizeLinear and DequantizeLinear behind these values, and the variables of the steps, [],
// behind the weights.
Graph with_steps(Graph graph, const std::vector<StepPlace>& places);

}  // namespace narrow
