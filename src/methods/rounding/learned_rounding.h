// Rounding that is learned for what a block of layers makes together.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "graph/weight_source.h"

namespace narrow {

// What goes into a block in the quantized network and what comes out of it in the exact one, both
// [count, height, width, channels].
struct BlockExamples {
  std::size_t count = 0;
  int height = 0;  // of the inputs
  int width = 0;
  std::size_t pixels = 0;  // of an output
  std::vector<float> inputs;
  std::vector<float> wanted;
};

// The kernel of a layer of the block, in the order in which the block's graph has it: values of its
// codes, the neighbouring ones that may be taken instead (the same where there is none), and the
// exact values.
struct RoundedKernel {
  std::string weights;
  std::vector<float> now;
  std::vector<float> other;
  std::vector<float> exact;
};

// For each kernel the values, of `now` or `other`, with which the block gives what is wanted best:
// they are learned together by Adam over batches of examples (SoftRounding; a block at a time: Li
// et al., "BRECQ: Pushing the Limit of Post-Training Quantization by Block Reconstruction", 2021,
// arXiv 2102.05426, algorithm 1, all outputs counting alike). `block` is a graph that BlockNetwork
// takes, with the rest of its weights from `weights`. Nothing where they are not better than `now`
// on every eighth example, which the others are not learned with. The same bits for every number of
// threads. Throws what BlockNetwork throws.
std::optional<std::vector<std::vector<float>>> learn_rounding(const Graph& block,
                                                              const WeightSource& weights,
                                                              const BlockExamples& examples,
                                                              std::vector<RoundedKernel> kernels);

}  // namespace narrow
