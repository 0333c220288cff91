// How far what a layer makes is from what it should make.
#pragma once

#include <cstddef>
#include <vector>

#include "base/byte_record.h"
#include "graph/linear_layers.h"
#include "nn/executor.h"

namespace narrow {

// By output channel, over all of its values: z is what the layer makes, t the wanted product.
struct ProductDifferences {
  double values = 0;                  // of each channel
  std::vector<double> mean;           // E[z - t]
  std::vector<double> second;         // E[(z - t)^2]
  std::vector<double> wanted_mean;    // E[t]
  std::vector<double> wanted_second;  // E[t^2]
};

// How many values of one channel lie side by side in what the layer makes: the pixels of a
// convolution's results, 1 in products of matrices.
std::size_t values_side_by_side(const LinearLayer& layer, const Shape& product);

// Sums over batches.
class ProductDifferenceSums {
 public:
  explicit ProductDifferenceSums(const LinearLayer& layer);

  // Both in the shape that the graph has for the layer's product. Summed in double, channel by
  // channel; the result does not depend on the number of threads. Throws Error(kUnsupported) when
  // the shapes do not fit.
  void add(const GraphArray& z, const GraphArray& t);

  // Adds the sums over other batches.
  void merge(const ProductDifferenceSums& other);
  // Passes the sums on to another process. set() throws Error(kCorrupt) for too few.
  void put(ByteRecord& record) const;
  void set(ByteRecordReader& reader);

  // Once. All 0 without values.
  [[nodiscard]] ProductDifferences take();

 private:
  const LinearLayer& layer_;
  ProductDifferences sums_;
};

}  // namespace narrow
