// Softmax along the last axis, with the mask before it and the guard after it that attention has.
// Internal to this folder.
#pragma once

#include <vector>

#include "nn/inference/conv_step.h"
#include "nn/inference/program_values.h"

namespace narrow {

// softmax(x + addend), and a number in the place of NaN.
struct SoftmaxChain {
  int softmax = 0;
  ValueId x = kNoValue;
  ValueId addend = kNoValue;
  ValueId no_number = kNoValue;  // a known value of one element
  ValueId output = kNoValue;
  std::vector<int> nodes;  // in order
};

// Chains of float32 values of known sizes, without the sums that convolutions or products take
// along.
std::vector<SoftmaxChain> find_softmax_chains(const Graph& graph, const FactTable& facts,
                                              const ConvChains& convs);

void add_softmax_chain(ProgramValues& values, const SoftmaxChain& chain);

}  // namespace narrow
