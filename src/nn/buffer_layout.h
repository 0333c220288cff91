// Places buffers with known lifetimes in one piece of memory, so that a network's activations reuse
// the bytes of those that are no longer needed.
#pragma once

#include <cstddef>
#include <vector>

namespace narrow {

// A buffer that is needed from step first_step to step last_step, both included.
struct BufferLifetime {
  std::size_t byte_size = 0;
  int first_step = 0;
  int last_step = 0;
};

struct BufferLayout {
  std::vector<std::size_t> byte_offsets;  // one a buffer, multiples of kBufferAlignment
  std::size_t byte_size = 0;              // of the whole piece
};

constexpr std::size_t kBufferAlignment = 64;
// The least multiple of it that holds so many bytes.
constexpr std::size_t aligned_size(std::size_t bytes) {
  return (bytes + kBufferAlignment - 1) / kBufferAlignment * kBufferAlignment;
}

// Buffers whose lifetimes meet never overlap. Greedy by size, each at the lowest free offset
// (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020).
BufferLayout lay_out_buffers(const std::vector<BufferLifetime>& buffers);

}  // namespace narrow
