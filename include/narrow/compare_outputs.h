// What differs between the outputs of two networks on the same inputs.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "narrow/checkpoint.h"
#include "narrow/compare_checkpoints.h"
#include "narrow/export.h"
#include "narrow/integer_arithmetic.h"
#include "narrow/run_network.h"
#include "narrow/run_options.h"

namespace narrow {

struct CompareOutputsOptions {
  std::string model_name = {};          // as in RunNetworkOptions
  std::vector<std::string> nodes = {};  // patterns of values inside that are compared too
  Execution execution = Execution::kDefault;
  IntegerArithmetic arithmetic = {};  // of Execution::kInteger
};

struct NARROW_EXPORT OutputComparison {
  CheckpointComparison outputs;  // by name, in the order of the first network
  CheckpointComparison nodes;    // in the order of execution
  // The first of the values inside, then of the outputs, that is not the same to the bit.
  std::optional<std::string> first_difference;

  // Over the outputs: the least, -infinity when one is only in one of the two, is not comparable or
  // is not finite where the other is.
  [[nodiscard]] double min_sqnr_db() const;
  // The greatest; +infinity likewise.
  [[nodiscard]] double max_relative_l2() const;
};

// Runs both on the arrays, as run_network does, one after the other. Patterns of nodes have to
// match in both. Throws what run_network throws, naming the file in the sentence.
NARROW_EXPORT OutputComparison compare_outputs(const CheckpointReader& reference,
                                               const CheckpointReader& other,
                                               std::span<const NamedArray> inputs,
                                               const CompareOutputsOptions& options,
                                               const RunOptions& run = {});

}  // namespace narrow
