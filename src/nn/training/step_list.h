// Steps that run one after the other over buffers that share memory where they are not needed at
// the same time. Internal to this folder.
#pragma once

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <vector>

#include "nn/aligned_memory.h"
#include "nn/buffer_layout.h"

namespace narrow {

class StepList {
 public:
  // No buffer: a step may name it, and asks for nothing.
  static constexpr int kNone = -1;

  // A buffer that the next step writes first. No bytes: kNone.
  int new_buffer(std::size_t byte_size);
  // A step and the buffers it touches, which keep what they hold until the last step that does.
  void add(std::initializer_list<int> buffers, std::function<void()> run);
  [[nodiscard]] std::size_t size() const { return steps_.size(); }

  // After the last add(): makes the memory. Buffers have a place from then on.
  void allocate();
  [[nodiscard]] std::byte* bytes(int buffer) const;  // null for kNone
  [[nodiscard]] float* floats(int buffer) const { return reinterpret_cast<float*>(bytes(buffer)); }

  void run(std::size_t first, std::size_t last) const;

 private:
  std::vector<std::function<void()>> steps_;
  std::vector<BufferLifetime> lifetimes_;
  BufferLayout plan_;
  AlignedMemory memory_;
};

}  // namespace narrow
