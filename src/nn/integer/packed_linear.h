// Linear layers whose sums fit in 32 bits, for the kernels: output channels in panels, input
// channels in pairs or fours; groups whose channels do not fill vectors are joined to blocks with
// zeros between them. Internal to this folder.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "nn/integer/code_array.h"
#include "nn/integer/integer_kernels.h"
#include "nn/integer/requantization.h"
#include "nn/integer/window_image.h"

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
  // codes allow fit in 32 bits. `x`: how the operand is stored, not in 32 bits. `requantization`:
  // for codes(); null where only sums are asked for.
  PackedLinear(LinearSizes sizes, std::span<const std::int64_t> weights,
               std::span<const std::int64_t> biases, const Requantization* requantization,
               CodeStorage x);

  // `x` has its channels last; rows of a matrix are single pixels. So has the result; that of
  // sums() has 32 bits. Throw Error(kUnsupported) for another number of channels.
  [[nodiscard]] CodeArray codes(const CodeArray& x) const;
  [[nodiscard]] CodeArray sums(const CodeArray& x) const;

 private:
  // What multiplies. Bytes go to kShorts as 16-bit numbers, to all others as they are.
  enum class Kernel : std::uint8_t { kShorts, kBytes, kDepthwise, kDepthwiseRow };

  [[nodiscard]] Kernel choose_kernel(std::span<const std::int64_t> weights) const;
  // Input channels whose weights are one 32-bit number.
  [[nodiscard]] std::size_t together() const { return kernel_ == Kernel::kBytes ? 4 : 2; }
  // Groups in a block, whose channels fill whole vectors.
  [[nodiscard]] std::int64_t groups_together() const;
  void pack(std::span<const std::int64_t> weights);
  void pack_depthwise(std::span<const std::int64_t> weights);
  void pack_depthwise_rows(std::span<const std::int64_t> weights);
  [[nodiscard]] integer::IntegerKernels::MultiplyRow row_kernel() const;
  // Where an output channel is packed, with its bias and factor.
  [[nodiscard]] std::size_t packed_place(std::size_t channel) const;

  [[nodiscard]] ImagePlaces places(const Shape& x) const;
  [[nodiscard]] Shape result_shape(const Shape& x, const ImagePlaces& places) const;
  void run(const CodeArray& x, const ImagePlaces& places, integer::TileOutput output) const;
  template <typename Code>
  void run_image(const WindowImage<Code>& image, integer::TileOutput output) const;
  template <typename Code>
  void run_pixels(const integer::TileInput<Code>& input, std::size_t block,
                  const integer::TileOutput& output) const;
  void run_rows(const WindowImage<std::uint8_t>& image, integer::TileOutput output) const;

  LinearSizes sizes_;
  CodeStorage x_storage_;
  const integer::IntegerKernels* kernels_;
  Kernel kernel_ = Kernel::kShorts;
  std::size_t blocks_ = 1;     // of groups
  std::size_t block_in_ = 0;   // channels
  std::size_t block_out_ = 0;  // channels, of whole tiles
  IntegerFormat format_;       // of codes()
  std::vector<std::int32_t> weights_;
  std::vector<std::int32_t> biases_;  // of whole tiles, by block
  std::vector<float> factors_;
};

}  // namespace narrow
