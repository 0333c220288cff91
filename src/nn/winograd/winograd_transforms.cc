#include "nn/winograd/winograd_transforms.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "nn/winograd/winograd_transforms.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>

HWY_BEFORE_NAMESPACE();
namespace narrow {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

constexpr std::size_t kSide = 6;    // inputs of a tile
constexpr std::size_t kBlock = 16;  // the largest block of channels

using Tag = hn::CappedTag<float, 8>;
using Vec = hn::Vec<Tag>;

// B transposed of the paper times the six values at from[i * from_step].
HWY_INLINE void TransformInputs(const float* HWY_RESTRICT from, std::size_t from_step,
                                float* HWY_RESTRICT to, std::size_t to_step) {
  const Tag d;
  const auto d0 = hn::LoadU(d, from);
  const auto d1 = hn::LoadU(d, from + from_step);
  const auto d2 = hn::LoadU(d, from + 2 * from_step);
  const auto d3 = hn::LoadU(d, from + 3 * from_step);
  const auto d4 = hn::LoadU(d, from + 4 * from_step);
  const auto d5 = hn::LoadU(d, from + 5 * from_step);
  const auto four = hn::Set(d, 4.0F);
  const auto five = hn::Set(d, 5.0F);
  const auto even = hn::NegMulAdd(four, d2, d4);
  const auto odd = hn::NegMulAdd(four, d1, d3);
  const auto difference = hn::Sub(d4, d2);
  const auto half = hn::Sub(d3, d1);
  const auto twice = hn::Add(half, half);
  hn::StoreU(hn::MulAdd(four, d0, hn::NegMulAdd(five, d2, d4)), d, to);
  hn::StoreU(hn::Add(even, odd), d, to + to_step);
  hn::StoreU(hn::Sub(even, odd), d, to + 2 * to_step);
  hn::StoreU(hn::Add(difference, twice), d, to + 3 * to_step);
  hn::StoreU(hn::Sub(difference, twice), d, to + 4 * to_step);
  hn::StoreU(hn::MulAdd(four, d1, hn::NegMulAdd(five, d3, d5)), d, to + 5 * to_step);
}

struct FourVectors {
  Vec v0, v1, v2, v3;
};

// A transposed of the paper times the six values at from[i * step].
HWY_INLINE FourVectors TransformProducts(const float* HWY_RESTRICT from, std::size_t step) {
  const Tag d;
  const auto m1 = hn::LoadU(d, from + step);
  const auto m2 = hn::LoadU(d, from + 2 * step);
  const auto m3 = hn::LoadU(d, from + 3 * step);
  const auto m4 = hn::LoadU(d, from + 4 * step);
  const auto sum = hn::Add(m1, m2);
  const auto difference = hn::Sub(m1, m2);
  const auto far_sum = hn::Add(m3, m4);
  const auto far_difference = hn::Sub(m3, m4);
  return {hn::Add(hn::LoadU(d, from), hn::Add(sum, far_sum)),
          hn::MulAdd(hn::Set(d, 2.0F), far_difference, difference),
          hn::MulAdd(hn::Set(d, 4.0F), far_sum, sum),
          hn::MulAdd(hn::Set(d, 8.0F), far_difference,
                     hn::Add(difference, hn::LoadU(d, from + 5 * step)))};
}

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
  const int side = static_cast<int>(kSide);
  for (int y = top; y < top + side; ++y) {
    for (int x = left; x < left + side; ++x, patch += block) {
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
  const auto block = static_cast<std::size_t>(images.channel_block);
  const std::size_t row_distance = static_cast<std::size_t>(images.width) * images.pixel_distance;
  alignas(64) float patch[kSide * kSide * kBlock];
  alignas(64) float half[kSide * kSide * kBlock];  // the columns transformed
  for (std::size_t b = 0; b < static_cast<std::size_t>(images.depth) / block; ++b) {
    const float* const channels = values + b * images.block_distance;
    float* const plane = planes.values + b * static_cast<std::size_t>(tiles.count) * block;
    ForTiles(images, tiles, [&](std::size_t i, std::size_t n, int row, int column) HWY_ATTR {
      const float* const image = channels + n * images.image_distance;
      const float* from = patch;
      std::size_t row_step = kSide * block;
      std::size_t pixel_step = block;
      const int top = row - 1;
      const int left = column - 1;
      if (top >= 0 && left >= 0 && top + static_cast<int>(kSide) <= images.height &&
          left + static_cast<int>(kSide) <= images.width) {
        from = image + static_cast<std::size_t>(top * images.width + left) * images.pixel_distance;
        row_step = row_distance;
        pixel_step = images.pixel_distance;
      } else {
        GatherPatch(images, image, top, left, patch);
      }
      for (std::size_t j = 0; j < block; j += hn::Lanes(Tag())) {
        for (std::size_t x = 0; x < kSide; ++x) {
          TransformInputs(from + x * pixel_step + j, row_step, half + x * block + j, kSide * block);
        }
        for (std::size_t a = 0; a < kSide; ++a) {
          TransformInputs(half + a * kSide * block + j, block,
                          plane + a * kSide * planes.plane_distance + i * block + j,
                          planes.plane_distance);
        }
      }
    });
  }
}

// NaN stays NaN: the larger of two is the second one where they do not compare.
template <bool kRelu>
HWY_INLINE void StoreResult(Vec sum, Vec bias, float* to) {
  const Tag d;
  const auto result = hn::Add(sum, bias);
  hn::StoreU(kRelu ? hn::Max(hn::Zero(d), result) : result, d, to);
}

template <bool kRelu>
HWY_INLINE void OutputTiles(const WinogradImages& images, const WinogradPlanes& planes,
                            TileRange tiles, const float* biases, float* values) {
  const Tag d;
  const auto block = static_cast<std::size_t>(images.channel_block);
  const std::size_t row_distance = static_cast<std::size_t>(images.width) * images.pixel_distance;
  alignas(64) float half[kWinogradTile * kSide * 8];  // the columns transformed: [4][6][lanes]
  const std::size_t lanes = hn::Lanes(d);
  for (std::size_t b = 0; b < static_cast<std::size_t>(images.depth) / block; ++b) {
    float* const channels = values + b * images.block_distance;
    const float* const plane = planes.values + b * static_cast<std::size_t>(tiles.count) * block;
    ForTiles(images, tiles, [&](std::size_t i, std::size_t n, int row, int column) HWY_ATTR {
      const int columns = std::min(kWinogradTile, images.width - column);
      const int rows = std::min(kWinogradTile, images.height - row);
      float* const image =
          channels + n * images.image_distance +
          static_cast<std::size_t>(row * images.width + column) * images.pixel_distance;
      for (std::size_t j = 0; j < block; j += lanes) {
        const auto bias = hn::LoadU(d, biases + b * block + j);
        for (std::size_t x = 0; x < kSide; ++x) {
          const FourVectors column_results = TransformProducts(
              plane + x * planes.plane_distance + i * block + j, kSide * planes.plane_distance);
          hn::StoreU(column_results.v0, d, half + x * lanes);
          hn::StoreU(column_results.v1, d, half + (kSide + x) * lanes);
          hn::StoreU(column_results.v2, d, half + (2 * kSide + x) * lanes);
          hn::StoreU(column_results.v3, d, half + (3 * kSide + x) * lanes);
        }
        for (int y = 0; y < rows; ++y) {
          const FourVectors r =
              TransformProducts(half + static_cast<std::size_t>(y) * kSide * lanes, lanes);
          float* const to = image + static_cast<std::size_t>(y) * row_distance + j;
          StoreResult<kRelu>(r.v0, bias, to);
          const std::size_t pixel = images.pixel_distance;
          if (columns > 1) StoreResult<kRelu>(r.v1, bias, to + pixel);
          if (columns > 2) StoreResult<kRelu>(r.v2, bias, to + 2 * pixel);
          if (columns > 3) StoreResult<kRelu>(r.v3, bias, to + 3 * pixel);
        }
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
}  // namespace narrow
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narrow {

HWY_EXPORT(Input);
HWY_EXPORT(Output);

void winograd_input(const WinogradImages& images, const float* values, TileRange tiles,
                    const WinogradPlanes& planes) {
  HWY_DYNAMIC_DISPATCH(Input)(images, values, tiles, planes);
}

void winograd_output(const WinogradImages& images, const WinogradPlanes& planes, TileRange tiles,
                     const float* biases, bool relu, float* values) {
  HWY_DYNAMIC_DISPATCH(Output)(images, planes, tiles, biases, relu, values);
}

}  // namespace narrow
#endif  // HWY_ONCE
