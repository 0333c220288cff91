// Second moments of what a linear layer multiplies, and of what it should make of it.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/byte_record.h"
#include "graph/linear_layers.h"
#include "nn/executor.h"

namespace narrow {

// Of one group of a layer, over the patches that it sees, padding zeros included: x is a patch, its
// elements ordered like the columns of the weights, t the wanted products, one an output channel.
struct PatchMoments {
  std::size_t size = 0;     // elements of a patch
  std::size_t outputs = 0;  // output channels of the group
  double patches = 0;
  std::vector<double> mean;            // E[x], [size]
  std::vector<double> second;          // E[x x^T], [size, size]
  std::vector<double> product_mean;    // E[t], [outputs]
  std::vector<double> product_second;  // E[t^2], [outputs]
  std::vector<double> cross;           // E[t x^T], [outputs, size]
};

// The same, as who reads them takes them: of some of the output channels, maybe.
struct MomentsView {
  MomentsView() = default;
  MomentsView(const PatchMoments& moments);  // NOLINT(google-explicit-constructor)

  std::size_t size = 0;
  std::size_t outputs = 0;
  std::span<const double> mean;
  std::span<const double> second;
  std::span<const double> product_mean;
  std::span<const double> product_second;
  std::span<const double> cross;
};

// Of all the patches of two sums of one group.
PatchMoments joined_moments(PatchMoments a, const PatchMoments& b);

// Whether they can be taken: of products of matrices and convolutions along one or two axes.
bool has_patch_moments(const LinearLayer& layer);

// Sums over batches. Takes 8 (size^2 + size * outputs) bytes a group, nothing for the images.
class PatchMomentSums {
 public:
  explicit PatchMomentSums(const LinearLayer& layer);

  // `x` is the layer's input and `t` what it should make of it, in the shapes that the graph has
  // for both. Of an image that makes more than 256 patches only those of some rows count, at other
  // places in each of 16 images that follow each other. Products are summed in float32 over at most
  // 4096 patches, those sums in double; the result does not depend on the number of threads. Throws
  // Error(kUnsupported) when the shapes do not fit, or oneDNN cannot do it.
  void add(const GraphArray& x, const GraphArray& t);

  // Adds the sums over other batches.
  void merge(const PatchMomentSums& other);
  // Passes the sums on to another process. set() throws Error(kCorrupt) for too few.
  void put(ByteRecord& record) const;
  void set(ByteRecordReader& reader);

  // By group; once. All 0 without patches.
  [[nodiscard]] std::vector<PatchMoments> take();

 private:
  const LinearLayer& layer_;
  std::vector<PatchMoments> groups_;
};

}  // namespace narrow
