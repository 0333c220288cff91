// Sums of products of codes in 32 bits, which nothing saturates, and what makes codes of them.
// Compiled for every instruction set, chosen at run time; all give the same integers. Sums are
// modulo 2^32 on their way: the last one fits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace narrow::integer {

// Channels are stored in whole multiples of this, and computed so.
constexpr std::size_t kTileChannels = 16;
// Output channels whose weights lie side by side: two tiles, the last of a layer may be one.
constexpr std::size_t kPanelChannels = 2 * kTileChannels;
// Pixels whose sums are computed together at most.
constexpr std::size_t kTilePixels = 12;
constexpr std::size_t kRowWindows = 8;

// What codes are bounded by, and what is added to those that are bytes.
struct CodeBounds {
  float least = 0;  // integers
  float greatest = 0;
  std::int32_t offset = 0;
};

// Where sums go. One of the pointers is not null: to codes, nearest(sum * factor) within the
// bounds, all in float32, ties to even; or as they are.
struct TileOutput {
  const float* factors = nullptr;  // one a channel
  CodeBounds bounds;
  std::size_t stride = 0;  // from one pixel to the next
  std::uint8_t* bytes = nullptr;
  std::int16_t* shorts = nullptr;
  std::int32_t* sums = nullptr;

  // From another pixel and channel on.
  [[nodiscard]] TileOutput at(std::size_t pixel, std::size_t channel) const {
    TileOutput moved = *this;
    const std::size_t place = pixel * stride + channel;
    if (factors != nullptr) moved.factors += channel;
    if (bytes != nullptr) moved.bytes += place;
    if (shorts != nullptr) moved.shorts += place;
    if (sums != nullptr) moved.sums += place;
    return moved;
  }
};

// The operands of a tile: x[pixel] + taps[tap] points to the channels of a pixel.
template <typename Code>
struct TileInput {
  const Code* const* x = nullptr;
  const std::ptrdiff_t* taps = nullptr;
  std::size_t tap_count = 0;
  std::size_t pixels = 0;  // 1 to kTilePixels
};

// Neighbouring windows of 3x3 or 5x5 bytes: the first one begins at `x`.
struct RowInput {
  const std::uint8_t* x = nullptr;
  std::ptrdiff_t row = 0;     // from one row of the image to the next
  std::ptrdiff_t column = 0;  // from one pixel to the next
  std::size_t step = 1;       // pixels from one window to the next, 1 or 2
  std::size_t windows = 0;    // 1 to kRowWindows
};

// Scales, and what code 0 is stored as.
struct AddOperands {
  float scale_a = 1;
  float scale_b = 1;
  float scale_y = 1;
  std::int32_t offset_a = 0;
  std::int32_t offset_b = 0;
};

// Of codes in one storage: std::int16_t, or std::uint8_t less an offset.
template <typename Code>
struct CodeKernels {
  // Every channel by itself; weights [taps][channels] of 16 bits, with 0 above; `channels` is
  // a multiple of kTileChannels. Offsets count as numbers.
  void (*multiply_depthwise)(const TileInput<Code>& input, const std::int32_t* weights,
                             const std::int32_t* biases, std::size_t channels,
                             const TileOutput& output);
  // nearest((a * scale_a + b * scale_b) / scale_y) within the bounds, each step in float32.
  void (*add)(const Code* a, const Code* b, std::size_t count, const AddOperands& operands,
              const CodeBounds& bounds, Code* y);
  // nearest(x / scale) within the bounds.
  void (*quantize)(const float* x, std::size_t count, float scale, const CodeBounds& bounds,
                   Code* y);
};

struct IntegerKernels {
  // A panel of `channels` (one or two tiles) output channels. Of `pairs` * 2 input channels a tap;
  // weights [taps][pairs][channels], each two of 16 bits, the first in the lower half; one bias a
  // channel.
  void (*multiply)(const TileInput<std::int16_t>& input, std::size_t pairs,
                   const std::int32_t* weights, const std::int32_t* biases, std::size_t channels,
                   const TileOutput& output) = nullptr;
  // The same of `quads` * 4 input channels a tap, each weight four signed bytes, the first in the
  // lowest; offsets count as numbers. Null where the processor has no instruction for it.
  void (*multiply_bytes)(const TileInput<std::uint8_t>& input, std::size_t quads,
                         const std::int32_t* weights, const std::int32_t* biases,
                         std::size_t channels, const TileOutput& output);
  // Every channel by itself, of 3x3 and of 5x5 taps; `channels` is a multiple of kTileChannels.
  // Weights [columns][parts of the rows][channels], each `rows_together` numbers of as many rows,
  // the first in the lowest bits: four signed bytes, or two of 16 bits. Rows that are not there are
  // 0. Null where the processor has no instruction for it.
  using MultiplyRow = void (*)(const RowInput& input, const std::int32_t* weights,
                               const std::int32_t* biases, std::size_t channels,
                               const TileOutput& output);
  MultiplyRow multiply_row_3 = nullptr;
  MultiplyRow multiply_row_5 = nullptr;
  std::size_t rows_together = 4;
  // Bytes less `offset`.
  void (*widen)(const std::uint8_t* x, std::size_t count, std::int32_t offset, std::int16_t* y);
  CodeKernels<std::int16_t> of_shorts;
  CodeKernels<std::uint8_t> of_bytes;

  [[nodiscard]] const CodeKernels<std::int16_t>& of(std::int16_t /*code*/) const {
    return of_shorts;
  }
  [[nodiscard]] const CodeKernels<std::uint8_t>& of(std::uint8_t /*code*/) const {
    return of_bytes;
  }
};

// Those of the best instruction set of this processor.
const IntegerKernels& integer_kernels();

}  // namespace narrow::integer
