// A checkpoint whose network was quantized with methods. Internal to this folder.
#pragma once

#include <map>
#include <string>

#include "graph/weights.h"
#include "narrow/quantize_network.h"

namespace narrow {

// What is known of weights that were quantized, by their names.
struct QuantizedWeights {
  std::map<std::string, TensorResult> results;
  std::map<std::string, ErrorSums> original_errors;  // NetworkResult's
};

// Writes every tensor of the plan, those of the network with the values in `weights`, the others as
// the plan says, and adds what is known of each to `result`. Throws what quantize_checkpoint does.
void write_network(const CheckpointReader& reader, const QuantizePlan& plan,
                   const QuantizeOptions& options, const Weights& weights,
                   const QuantizedWeights& quantized, CheckpointWriter& writer,
                   NetworkResult& result);

}  // namespace narrow
