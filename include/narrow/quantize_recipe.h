// How a quantized file says how it was made, and whether it is what it says. ONNX files carry the
// recipe among their text pairs (docs/onnx.md, "The recipe").
#pragma once

#include <map>
#include <string>
#include <vector>

#include "narrow/checkpoint.h"
#include "narrow/export.h"
#include "narrow/packed_checkpoint.h"
#include "narrow/quantize_checkpoint.h"
#include "narrow/run_options.h"

namespace narrow {

// The text pairs of `reader` with those of the recipe: the tool and its version, the plan with the
// digest of the input, and `command`, the command line that makes the same again. Reads every
// tensor once. Throws what reading throws.
NARROW_EXPORT std::map<std::string, std::string> metadata_with_recipe(
    const CheckpointReader& reader, const QuantizePlan& plan, NonFinitePolicy non_finite,
    const std::string& command);

// Quantizes `original` again by the recipe that `result` carries and compares; differences in the
// order of the original, at most one for each tensor, first that the original is another one than
// the recipe's. Empty: the file is what the recipe gives.
// Throws Error: kUnsupported without a recipe, kCorrupt for one that cannot be, kUsage for a tensor
// of the recipe that is not there; what reading throws; kInterrupted.
NARROW_EXPORT std::vector<PackedDifference> verify_quantized(const CheckpointReader& result,
                                                             const CheckpointReader& original,
                                                             const RunOptions& run = {});

}  // namespace narrow
