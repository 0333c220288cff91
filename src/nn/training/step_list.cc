#include "nn/training/step_list.h"

#include <algorithm>
#include <utility>

namespace narrow {

int StepList::new_buffer(std::size_t byte_size) {
  if (byte_size == 0) return kNone;
  const int step = static_cast<int>(steps_.size());
  lifetimes_.push_back({byte_size, step, step});
  return static_cast<int>(lifetimes_.size()) - 1;
}

void StepList::add(std::initializer_list<int> buffers, std::function<void()> run) {
  for (const int buffer : buffers) {
    if (buffer == kNone) continue;
    lifetimes_[static_cast<std::size_t>(buffer)].last_step = static_cast<int>(steps_.size());
  }
  steps_.push_back(std::move(run));
}

void StepList::allocate() {
  plan_ = lay_out_buffers(lifetimes_);
  memory_ = AlignedMemory(std::max<std::size_t>(plan_.byte_size, 1));
}

std::byte* StepList::bytes(int buffer) const {
  if (buffer == kNone) return nullptr;
  return memory_.data() + plan_.byte_offsets[static_cast<std::size_t>(buffer)];
}

void StepList::run(std::size_t first, std::size_t last) const {
  for (std::size_t i = first; i < last; ++i) steps_[i]();
}

}  // namespace narrow
