// Rounding that makes up for the error of one weight with the weights that come after it.
#pragma once

#include <cstdint>
#include <span>

#include "narrow/tensor.h"
#include "nn/layerwise/input_gram.h"
#include "quant/tensor_grid.h"

namespace narrow {

// Codes for weights [height, width, in, out] that make the output error sum_c e_c^T H e_c small,
// H = E[x x^T] over the patches in `gram`, to which 0.01 times its mean diagonal is added. The
// weights of an output channel are taken in the order of falling diagonal of H; each goes to the
// code nearest to w_k + sum_i R_ik / R_kk (w_i - q_i) over the i before it, where H = R R^T with R
// upper triangular. That is GPTQ (Frantar et al., "GPTQ: Accurate Post-Training Quantization for
// Generative Pre-trained Transformers", 2022, section 3) in the form of LDLQ, which needs no
// inverse (Chee et al., "QuIP: 2-Bit Quantization of Large Language Models With Guarantees", 2023,
// theorem 6). Does not depend on the number of threads. Takes 8 * size^2 bytes more.
// Throws Error(kNumeric) when H is not finite.
void round_second_order(const TensorGrid& grid, const Shape& shape, std::span<const float> values,
                        const InputGram& gram, std::span<std::int64_t> codes);

}  // namespace narrow
