// Linear layers whose sums fit in 32 bits, for the kernels: output channels in tiles, input
// channels in pairs; groups whose channels do not fill vectors are joined to blocks with zeros
// between them. Internal to this folder.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "graph/operators/window.h"
#include "nn/integer/code_array.h"
#include "nn/integer/requantization.h"

namespace narrow {

struct LinearSizes {
  Window window;  // of two axes; none of products of matrices
  std::int64_t groups = 1;
  std::size_t in_channels = 0;
  std::size_t out_channels = 0;

  [[nodiscard]] bool is_rows() const { return window.rank() == 0; }
  [[nodiscard]] std::size_t taps() const;
};

class PackedLinear {
 public:
  // Weights [out, in / group, taps] of 16 bits; one bias for each output channel. All sums that
  // codes allow fit in 32 bits. `requantization`: for codes(); null where only sums are asked for.
  PackedLinear(LinearSizes sizes, std::span<const std::int64_t> weights,
               std::span<const std::int64_t> biases, const Requantization* requantization);

  // `x` has 16 bits and its channels last; rows of a matrix are single pixels. So has the result;
  // that of sums() is wide. Throw Error(kUnsupported) for another number of channels.
  [[nodiscard]] CodeArray codes(const CodeArray& x) const;
  [[nodiscard]] CodeArray sums(const CodeArray& x) const;

 private:
  // Blocks of groups whose channels fill whole vectors.
  [[nodiscard]] std::int64_t groups_together() const;
  void pack(std::span<const std::int64_t> weights, std::span<const std::int64_t> biases,
            const Requantization* requantization);
  void pack_depthwise(std::span<const std::int64_t> weights, std::span<const std::int64_t> biases,
                      const Requantization* requantization);

  struct Geometry;
  [[nodiscard]] Geometry geometry(const Shape& x) const;
  template <typename Take>
  void for_each_tile(const CodeArray& x, const Geometry& geometry, const Take& take) const;
  // To `codes` or to `sums`; the other one is null.
  void run(const CodeArray& x, const Geometry& geometry, std::int16_t* codes, std::int32_t* sums,
           std::size_t stride) const;

  LinearSizes sizes_;
  std::size_t taps_;
  bool is_depthwise_ = false;
  std::size_t blocks_ = 1;  // of groups
  float least_ = 0;         // of the codes of the result
  float greatest_ = 0;
  std::vector<std::int32_t> weights_;
  std::vector<std::int32_t> biases_;  // of whole tiles, by block
  std::vector<float> factors_;
};

}  // namespace narrow
