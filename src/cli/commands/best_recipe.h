// `quantize --best`: the best known recipe for what is there.
#pragma once

#include <string>

#include "cli/commands/network_run.h"
#include "cli/options/plan_options.h"
#include "narrow/checkpoint.h"

namespace narrow {

// Fills in what was not typed. `typed` is the command line. Gives a line that names the options
// which make the same without --best, and says what is missing for a better result. Throws
// Error(kUsage) for another checkpoint than an ONNX file, for a plan or rules, and without bits.
std::string choose_best(const CheckpointReader& reader, const std::string& typed,
                        PlanOptions& options, NetworkArguments& network);

}  // namespace narrow
