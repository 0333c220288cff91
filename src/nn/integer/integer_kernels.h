// Sums of products of 16-bit numbers in 32 bits, which nothing saturates, and what makes codes of
// them. Compiled for every instruction set, chosen at run time; all give the same integers.
#pragma once

#include <cstddef>
#include <cstdint>

namespace narrow::integer {

// Output channels that weights are packed for together; the last of a layer may be half a tile.
constexpr std::size_t kTileChannels = 16;
constexpr std::size_t kHalfTile = 8;
// Pixels whose sums are computed together at most.
constexpr std::size_t kTilePixels = 12;

// Two 16-bit numbers in one, the first in the lower half.
constexpr std::int32_t pair(std::int16_t first, std::int16_t second) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(static_cast<std::uint16_t>(first)) |
                                   static_cast<std::uint32_t>(static_cast<std::uint16_t>(second))
                                       << 16U);
}

// Where the sums of a tile go: to codes, nearest(sum * factor) within the bounds, all in float32,
// ties to even; or as they are, where `sums` is not null.
struct TileOutput {
  const float* factors = nullptr;  // one a channel
  float least = 0;                 // integers
  float greatest = 0;
  std::int16_t* codes = nullptr;
  std::int32_t* sums = nullptr;
  std::size_t stride = 0;  // from one pixel to the next
};

// The operands of a tile: for each tap, x[tap * x_step + pixel] points to the channels of a pixel.
struct TileInput {
  const std::int16_t* const* x = nullptr;
  std::size_t x_step = 0;
  std::size_t taps = 0;
  std::size_t pixels = 0;   // 1 to kTilePixels
  std::size_t channel = 0;  // where the channels begin, of multiply
};

struct IntegerKernels {
  // A tile of `channels` (kTileChannels or kHalfTile) output channels. Of `pairs` * 2 input
  // channels a tap; weights [taps][pairs][channels], each a pair(); biases one a channel.
  void (*multiply)(const TileInput& input, std::size_t pairs, const std::int32_t* weights,
                   const std::int32_t* biases, std::size_t channels, const TileOutput& output);
  // Every channel by itself; weights [taps][channels], each a pair() with 0; `channels` is a
  // multiple of kHalfTile.
  void (*multiply_depthwise)(const TileInput& input, const std::int32_t* weights,
                             const std::int32_t* biases, std::size_t channels,
                             const TileOutput& output);
  // nearest((a * scales[0] + b * scales[1]) / scales[2]) within the bounds, each step in float32.
  void (*add)(const std::int16_t* a, const std::int16_t* b, std::size_t count,
              const float (&scales)[3], float least, float greatest, std::int16_t* y);
  // nearest(x / scale) within the bounds.
  void (*quantize)(const float* x, std::size_t count, float scale, float least, float greatest,
                   std::int16_t* y);
};

// Those of the best instruction set of this processor.
const IntegerKernels& integer_kernels();

}  // namespace narrow::integer
