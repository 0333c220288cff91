#include "nn/buffer_layout.h"

#include <algorithm>
#include <numeric>

namespace narrow {
namespace {

bool alive_together(const BufferLifetime& a, const BufferLifetime& b) {
  return a.first_step <= b.last_step && b.first_step <= a.last_step;
}

}  // namespace

BufferLayout lay_out_buffers(const std::vector<BufferLifetime>& buffers) {
  std::vector<std::size_t> by_size(buffers.size());
  std::iota(by_size.begin(), by_size.end(), std::size_t{0});
  std::stable_sort(by_size.begin(), by_size.end(), [&](std::size_t a, std::size_t b) {
    return buffers[a].byte_size > buffers[b].byte_size;
  });

  BufferLayout plan;
  plan.byte_offsets.resize(buffers.size());
  std::vector<std::size_t> placed;  // in order of offset
  for (const std::size_t index : by_size) {
    const std::size_t size = aligned_size(buffers[index].byte_size);
    std::size_t offset = 0;
    for (const std::size_t other : placed) {
      if (!alive_together(buffers[index], buffers[other])) continue;
      const std::size_t other_offset = plan.byte_offsets[other];
      if (other_offset >= offset + size) break;
      offset = std::max(offset, other_offset + aligned_size(buffers[other].byte_size));
    }
    plan.byte_offsets[index] = offset;
    plan.byte_size = std::max(plan.byte_size, offset + size);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), offset,
                                   [&](std::size_t value, std::size_t other) {
                                     return value < plan.byte_offsets[other];
                                   }),
                  index);
  }
  return plan;
}

}  // namespace narrow
