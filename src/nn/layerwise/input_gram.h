// Second moments of what a convolution's weights are multiplied with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/byte_record.h"
#include "graph/layers.h"
#include "nn/layerwise/activation_batches.h"

namespace narrow {

// Over the patches that a convolution sees, padding zeros included. Element t * in_channels + i of
// a patch is input channel i under tap t of the kernel, as the weights [height, width, in, out] are
// ordered.
struct InputGram {
  std::size_t size = 0;        // kernel * kernel * in_channels
  double patches = 0;          // how many
  std::vector<double> mean;    // [size]
  std::vector<double> second;  // E[x x^T], [size, size], symmetric
};

// Sums over images, which take 8 * size^2 bytes: 170 MB for a 3x3 convolution with 512 inputs.
class InputGramSums {
 public:
  explicit InputGramSums(const Layer& layer);

  // Of images [first, first + count) of `x`. Products are summed in float32 over at most 1024
  // patches, those sums in double. Throws as convolve does.
  void add(const ActivationBatches& x, std::int64_t first, std::int64_t count);
  void merge(const InputGramSums& next);
  // Passes the sums on to another process. set() throws Error(kCorrupt) for too few.
  void put(ByteRecord& record) const;
  void set(ByteRecordReader& reader);
  // The means of all that were added; the sums are gone.
  [[nodiscard]] InputGram take();

 private:
  void add_patches(std::size_t count);

  const Layer& layer_;
  InputGram gram_;              // sums, of the second moments the lower triangle
  std::vector<float> patches_;  // that wait to be added
};

}  // namespace narrow
