// Batches of images for tests.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "nn/layerwise/activation_batches.h"

namespace narrow {

inline std::shared_ptr<ActivationBatches> in_batches(Activations images, std::uint64_t most_bytes) {
  return std::make_shared<ActivationBatches>(
      std::move(images), std::make_shared<ActivationMemory>(ActivationMemory{most_bytes, 0}));
}

inline std::shared_ptr<ActivationBatches> in_memory(Activations images) {
  return in_batches(std::move(images), std::uint64_t{1} << 40);
}

inline Activations joined(const ActivationBatches& x) {
  Activations all = x.load(0);
  for (std::size_t batch = 1; batch < x.size(); ++batch) {
    const Activations next = x.load(batch);
    all.images += next.images;
    all.values.insert(all.values.end(), next.values.begin(), next.values.end());
  }
  return all;
}

}  // namespace narrow
