// Batches of images for tests.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "nn/layerwise/activation_batches.h"
#include "nn/layerwise/input_gram.h"

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

// Of all images.
inline InputGram input_gram(const Layer& layer, const ActivationBatches& x) {
  InputGramSums sums(layer);
  for (std::int64_t batch = 0, first = 0; batch < static_cast<std::int64_t>(x.size()); ++batch) {
    const std::int64_t images = x.images(static_cast<std::size_t>(batch));
    sums.add(x, first, images);
    first += images;
  }
  return sums.take();
}

}  // namespace narrow
