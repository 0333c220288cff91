// Convolutions and products with one matrix, with what follows them. Internal to this folder.
#pragma once

#include <vector>

#include "graph/graph.h"
#include "graph/shapes.h"
#include "nn/inference/program_values.h"

namespace narrow {

enum class ElementKind : std::uint8_t {
  kEltwise,  // `how` with alpha and beta
  kClip,     // between two values, of which each may be missing
  kAdd,      // a value of one element; the same below
  kSubtract,
  kSubtractFrom,
  kMultiply,
  kDivide,
};

// What happens to an element where the convolution writes it.
struct ElementStep {
  ElementKind kind = ElementKind::kEltwise;
  dnnl::algorithm how = dnnl::algorithm::eltwise_relu;
  float alpha = 0;
  float beta = 0;
  ValueId first = kNoValue;
  ValueId second = kNoValue;
};

// A Conv, ConvTranspose, MatMul or Gemm with weights that are known, and the nodes after it that
// nothing else reads: elements(affine(conv) + addend). Channels of a product are its columns.
struct ConvChain {
  int conv = 0;
  std::vector<int> affine;    // nodes that multiply and move each channel by what is known
  ValueId addend = kNoValue;  // of the same shape
  std::vector<ElementStep> elements;
  std::vector<int> nodes;  // in order
  ValueId output = kNoValue;

  [[nodiscard]] int last_node() const { return nodes.back(); }
};

class ConvChains {
 public:
  ConvChains(std::vector<ConvChain> chains, std::size_t node_count);
  // The chain that a node belongs to; null when there is none.
  [[nodiscard]] const ConvChain* of(int node) const {
    const int chain = owners_[static_cast<std::size_t>(node)];
    return chain < 0 ? nullptr : &chains_[static_cast<std::size_t>(chain)];
  }

 private:
  std::vector<ConvChain> chains_;
  std::vector<int> owners_;  // by node
};

// What the primitive does with its sums: adds what is in its result, applies the elements.
dnnl::primitive_attr chain_attributes(ProgramValues& values, const ConvChain& chain);

// Where the chain's result goes: into the memory of the addend when nothing needs that afterwards.
HeldValue define_chain_result(ProgramValues& values, const ConvChain& chain, int position,
                              const HeldValue& x, bool blocked);

ConvChains find_conv_chains(const Graph& graph, const FactTable& facts);

// Adds the steps of the chain, which stands where its last node, the one at `position`, stood; or
// returns false and has added nothing when nothing fast computes it.
bool add_conv_chain(ProgramValues& values, const ConvChain& chain, int position);
// The same of a MatMul or Gemm.
bool add_product_chain(ProgramValues& values, const ConvChain& chain, int position);

}  // namespace narrow
