#include "nn/winograd/winograd_tiles.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "nn/winograd/winograd_tiles.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>

#include "nn/winograd/winograd_matrices-inl.h"

HWY_BEFORE_NAMESPACE();
namespace narrow::winograd {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

constexpr std::size_t kLargestBlock = 16;

using Tag = hn::CappedTag<float, 8>;
using Vec = hn::Vec<Tag>;

// Calls body(index in the range, image, first row, first column) for every tile.
template <class Body>
HWY_INLINE void ForTiles(const WinogradImages& images, TileRange tiles, const Body& body) {
  const int columns = images.tile_columns();
  std::int64_t image = tiles.first / images.tiles_per_image();
  const std::int64_t within = tiles.first % images.tiles_per_image();
  int row = static_cast<int>(within / columns);
  int column = static_cast<int>(within % columns);
  for (std::int64_t i = 0; i < tiles.count; ++i) {
    body(static_cast<std::size_t>(i), static_cast<std::size_t>(image), row * kWinogradTile,
         column * kWinogradTile);
    if (++column < columns) continue;
    column = 0;
    if (++row < images.tile_rows()) continue;
    row = 0;
    ++image;
  }
}

// The 6 x 6 inputs of a tile whose upper left corner is (top, left), zeros outside: [6][6][block].
HWY_INLINE void GatherPatch(const WinogradImages& images, const float* image, int top, int left,
                            float* HWY_RESTRICT patch) {
  const Tag d;
  const auto block = static_cast<std::size_t>(images.channel_block);
  for (int y = top; y < top + kSeen; ++y) {
    for (int x = left; x < left + kSeen; ++x, patch += block) {
      const bool inside = y >= 0 && y < images.height && x >= 0 && x < images.width;
      const float* const from =
          inside ? image + static_cast<std::size_t>(y * images.width + x) * images.pixel_distance
                 : nullptr;
      for (std::size_t j = 0; j < block; j += hn::Lanes(d)) {
        hn::StoreU(inside ? hn::LoadU(d, from + j) : hn::Zero(d), d, patch + j);
      }
    }
  }
}

void Input(const WinogradImages& images, const float* values, TileRange tiles,
           const WinogradPlanes& planes) {
  const Tag d;
  const auto block = static_cast<std::size_t>(images.channel_block);
  const std::size_t row_distance = static_cast<std::size_t>(images.width) * images.pixel_distance;
  alignas(64) float patch[kSeen * kSeen * kLargestBlock];
  for (std::size_t b = 0; b < static_cast<std::size_t>(images.channels) / block; ++b) {
    const float* const channels = values + b * images.block_distance;
    float* const plane = planes.values + b * static_cast<std::size_t>(tiles.count) * block;
    ForTiles(images, tiles, [&](std::size_t i, std::size_t n, int row, int column) HWY_ATTR {
      const float* const image = channels + n * images.image_distance;
      const float* from = patch;
      std::size_t row_step = kSeen * block;
      std::size_t pixel_step = block;
      const int top = row - images.padding;
      const int left = column - images.padding;
      if (top >= 0 && left >= 0 && top + kSeen <= images.height && left + kSeen <= images.width) {
        from = image + static_cast<std::size_t>(top * images.width + left) * images.pixel_distance;
        row_step = row_distance;
        pixel_step = images.pixel_distance;
      } else {
        GatherPatch(images, image, top, left, patch);
      }
      for (std::size_t j = 0; j < block; j += hn::Lanes(d)) {
        TransformBothWays<InputTransform<3>>(
            d,
            [&](int y, int x)
                HWY_ATTR { return hn::LoadU(d, from + y * row_step + x * pixel_step + j); },
            [&](int y, int x, Vec value) HWY_ATTR {
              const auto point = static_cast<std::size_t>(y * kSeen + x);
              hn::StoreU(value, d, plane + point * planes.plane_distance + i * block + j);
            });
      }
    });
  }
}

template <bool kRelu>
HWY_INLINE void OutputTiles(const WinogradImages& images, const WinogradPlanes& planes,
                            TileRange tiles, const float* biases, float* values) {
  const Tag d;
  const auto block = static_cast<std::size_t>(images.channel_block);
  const std::size_t row_distance = static_cast<std::size_t>(images.width) * images.pixel_distance;
  for (std::size_t b = 0; b < static_cast<std::size_t>(images.channels) / block; ++b) {
    float* const channels = values + b * images.block_distance;
    const float* const plane = planes.values + b * static_cast<std::size_t>(tiles.count) * block;
    ForTiles(images, tiles, [&](std::size_t i, std::size_t n, int row, int column) HWY_ATTR {
      const int columns = std::min(kWinogradTile, images.width - column);
      const int rows = std::min(kWinogradTile, images.height - row);
      float* const image =
          channels + n * images.image_distance +
          static_cast<std::size_t>(row * images.width + column) * images.pixel_distance;
      for (std::size_t j = 0; j < block; j += hn::Lanes(d)) {
        const auto bias = hn::LoadU(d, biases + b * block + j);
        TransformBothWays<OutputTransform<3>>(
            d,
            [&](int y, int x) HWY_ATTR {
              const auto point = static_cast<std::size_t>(y * kSeen + x);
              return hn::LoadU(d, plane + point * planes.plane_distance + i * block + j);
            },
            [&](int y, int x, Vec value) HWY_ATTR {
              if (y >= rows || x >= columns) return;
              const auto result = hn::Add(value, bias);
              // NaN stays NaN: the larger of two is the second one where they do not compare.
              hn::StoreU(kRelu ? hn::Max(hn::Zero(d), result) : result, d,
                         image + y * row_distance + x * images.pixel_distance + j);
            });
      }
    });
  }
}

void Output(const WinogradImages& images, const WinogradPlanes& planes, TileRange tiles,
            const float* biases, bool relu, float* values) {
  if (relu) {
    OutputTiles<true>(images, planes, tiles, biases, values);
  } else {
    OutputTiles<false>(images, planes, tiles, biases, values);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace narrow::winograd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narrow::winograd {

HWY_EXPORT(Input);
HWY_EXPORT(Output);

void input_tiles(const WinogradImages& images, const float* values, TileRange tiles,
                 const WinogradPlanes& planes) {
  HWY_DYNAMIC_DISPATCH(Input)(images, values, tiles, planes);
}

void output_tiles(const WinogradImages& images, const WinogradPlanes& planes, TileRange tiles,
                  const float* biases, bool relu, float* values) {
  HWY_DYNAMIC_DISPATCH(Output)(images, planes, tiles, biases, relu, values);
}

}  // namespace narrow::winograd
#endif  // HWY_ONCE
