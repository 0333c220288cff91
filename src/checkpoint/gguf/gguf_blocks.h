// The values of GGUF's blocks of codes, as the function `dequantize` of the Python package gguf
// 0.19.0 (gguf/quants.py) computes them, to the bit: products and sums in float32, each rounded.
// The layouts are those of the structures block_q4_0 to block_q6_K of ggml-common.h.
#pragma once

#include <cstddef>

namespace narrow {

// Each takes `blocks` blocks one after another at `from`, and gives the values of all of them: 32
// of a block, and 256 of those named _k.
void decode_q4_0(const std::byte* from, std::size_t blocks, float* values);
void decode_q4_1(const std::byte* from, std::size_t blocks, float* values);
void decode_q5_0(const std::byte* from, std::size_t blocks, float* values);
void decode_q5_1(const std::byte* from, std::size_t blocks, float* values);
void decode_q8_0(const std::byte* from, std::size_t blocks, float* values);
void decode_q2_k(const std::byte* from, std::size_t blocks, float* values);
void decode_q3_k(const std::byte* from, std::size_t blocks, float* values);
void decode_q4_k(const std::byte* from, std::size_t blocks, float* values);
void decode_q5_k(const std::byte* from, std::size_t blocks, float* values);
void decode_q6_k(const std::byte* from, std::size_t blocks, float* values);

}  // namespace narrow
