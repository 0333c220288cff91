// Winograd's F(4x4, 3x3) (winograd_kernels.h) over many tiles of images in blocks of channels,
// before and after the matrix products.
#pragma once

#include <cstddef>
#include <cstdint>

#include "nn/winograd/winograd_kernels.h"

namespace narrow::winograd {

// Images of height x width x channels float32 values, stored in blocks of channels that lie
// together. Distances are in values: NHWC has the pixel distance channels and the block distance
// channel_block, nChw8c has 8 and height * width * 8.
struct WinogradImages {
  int height = 0;
  int width = 0;
  int channels = 0;       // a multiple of channel_block
  int channel_block = 8;  // 8 or 16
  std::size_t image_distance = 0;
  std::size_t block_distance = 0;
  std::size_t pixel_distance = 0;
  int padding = 1;  // of inputs, on each side: 1 (SAME) or 0 (VALID)

  // Of the tiles of results, which are as large as the inputs or smaller by 2.
  [[nodiscard]] int tile_rows() const { return tiles_along(height); }
  [[nodiscard]] int tile_columns() const { return tiles_along(width); }
  [[nodiscard]] std::int64_t tiles_per_image() const {
    return std::int64_t{tile_rows()} * tile_columns();
  }

 private:
  [[nodiscard]] int tiles_along(int size) const {
    return (size - 2 * (1 - padding) + kWinogradTile - 1) / kWinogradTile;
  }
};

// Tiles are numbered row by row, image after image.
struct TileRange {
  std::int64_t first = 0;
  std::int64_t count = 0;
};

// The operands or results of the 36 products for some tiles: plane p begins at p * plane_distance
// and holds [channels / channel_block][tiles][channel_block] values.
struct WinogradPlanes {
  float* values = nullptr;
  std::size_t plane_distance = 0;
};

// Transforms the tiles' 6 x 6 inputs; what lies outside an image is zero.
void input_tiles(const WinogradImages& images, const float* values, TileRange tiles,
                 const WinogradPlanes& planes);

// Transforms the products to the tiles' results, adds the channel's bias and, with `relu`, takes
// the larger of that and 0. What lies outside an image is dropped.
void output_tiles(const WinogradImages& images, const WinogradPlanes& planes, TileRange tiles,
                  const float* biases, bool relu, float* values);

}  // namespace narrow::winograd
