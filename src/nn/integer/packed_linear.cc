#include "nn/integer/packed_linear.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "narrow/error.h"
#include "nn/integer/integer_kernels.h"

namespace narrow {
namespace {

using integer::kHalfTile;
using integer::kTileChannels;
using integer::kTilePixels;

// Pixels whose places are looked up together.
constexpr std::size_t kPixelBlock = 4 * kTilePixels;

std::size_t whole_tiles(std::size_t channels) {
  return (channels + kHalfTile - 1) / kHalfTile * kHalfTile;
}

}  // namespace

std::size_t LinearSizes::taps() const {
  std::size_t count = 1;
  for (const std::int64_t size : window.kernel) count *= static_cast<std::size_t>(size);
  return count;
}

std::int64_t PackedLinear::groups_together() const {
  const auto groups = static_cast<std::size_t>(sizes_.groups);
  const std::size_t in = sizes_.in_channels / groups;
  const std::size_t out = sizes_.out_channels / groups;
  for (std::size_t together = 1; together < groups; ++together) {
    if (groups % together == 0 && together * out % kHalfTile == 0 && together * in % 2 == 0) {
      return static_cast<std::int64_t>(together);
    }
  }
  return sizes_.groups;
}

PackedLinear::PackedLinear(LinearSizes sizes, std::span<const std::int64_t> weights,
                           std::span<const std::int64_t> biases,
                           const Requantization* requantization)
    : sizes_(std::move(sizes)), taps_(sizes_.taps()) {
  if (requantization != nullptr) {
    least_ = static_cast<float>(requantization->format().least);
    greatest_ = static_cast<float>(requantization->format().greatest);
  }
  is_depthwise_ = sizes_.groups > 1 &&
                  static_cast<std::size_t>(sizes_.groups) == sizes_.in_channels &&
                  sizes_.in_channels == sizes_.out_channels;
  if (is_depthwise_) {
    pack_depthwise(weights, biases, requantization);
  } else {
    pack(weights, biases, requantization);
  }
}

void PackedLinear::pack(std::span<const std::int64_t> weights, std::span<const std::int64_t> biases,
                        const Requantization* requantization) {
  const auto groups = static_cast<std::size_t>(sizes_.groups);
  const auto together = static_cast<std::size_t>(groups_together());
  blocks_ = groups / together;
  const std::size_t in = sizes_.in_channels / groups;
  const std::size_t out = sizes_.out_channels / groups;
  const std::size_t pairs = (in * together + 1) / 2;
  const std::size_t block_out = whole_tiles(out * together);
  weights_.assign(blocks_ * block_out * taps_ * pairs, 0);
  biases_.assign(blocks_ * block_out, 0);
  factors_.assign(blocks_ * block_out, 0);
  for (std::size_t c = 0; c < sizes_.out_channels; ++c) {
    const std::size_t block = c / (out * together);
    const std::size_t row = c % (out * together);
    const std::size_t first_in = row / out * in;  // of its group within the block
    const std::size_t tile = row / kTileChannels * kTileChannels;
    const std::size_t width = std::min(kTileChannels, block_out - tile);
    std::int32_t* const to = weights_.data() + (block * block_out + tile) * taps_ * pairs;
    for (std::size_t tap = 0; tap < taps_; ++tap) {
      for (std::size_t i = 0; i < in; ++i) {
        const auto weight = static_cast<std::int16_t>(weights[(c * in + i) * taps_ + tap]);
        const std::size_t at = first_in + i;
        std::int32_t& packed = to[(tap * pairs + at / 2) * width + (row - tile)];
        packed |= at % 2 == 0 ? integer::pair(weight, 0) : integer::pair(0, weight);
      }
    }
    biases_[block * block_out + row] = static_cast<std::int32_t>(biases[c]);
    if (requantization != nullptr) {
      factors_[block * block_out + row] = requantization->factor(c);
    }
  }
}

void PackedLinear::pack_depthwise(std::span<const std::int64_t> weights,
                                  std::span<const std::int64_t> biases,
                                  const Requantization* requantization) {
  const std::size_t width = whole_tiles(sizes_.out_channels);
  weights_.assign(width * taps_, 0);
  biases_.assign(width, 0);
  factors_.assign(width, 0);
  for (std::size_t c = 0; c < sizes_.out_channels; ++c) {
    for (std::size_t tap = 0; tap < taps_; ++tap) {
      weights_[tap * width + c] =
          integer::pair(static_cast<std::int16_t>(weights[c * taps_ + tap]), 0);
    }
    biases_[c] = static_cast<std::int32_t>(biases[c]);
    if (requantization != nullptr) factors_[c] = requantization->factor(c);
  }
}

// Of the pixels that windows look at; rows of a matrix are single pixels.
struct PackedLinear::Geometry {
  Shape result;
  std::int64_t in_height = 1;
  std::int64_t in_width = 1;
  std::int64_t out_height = 1;
  std::int64_t out_width = 1;
  std::int64_t before_y = 0;
  std::int64_t before_x = 0;
};

PackedLinear::Geometry PackedLinear::geometry(const Shape& x) const {
  const auto out = static_cast<std::int64_t>(sizes_.out_channels);
  if (x[1] != static_cast<std::int64_t>(sizes_.in_channels)) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("an input of {} channels, expected {}", x[1], sizes_.in_channels));
  }
  if (sizes_.is_rows()) return {{x[0], out}};
  Geometry geometry;
  geometry.in_height = x[2];
  geometry.in_width = x[3];
  const WindowPlaces rows = window_places(sizes_.window, 0, x[2]);
  const WindowPlaces columns = window_places(sizes_.window, 1, x[3]);
  geometry.before_y = rows.before;
  geometry.before_x = columns.before;
  geometry.out_height = rows.count;
  geometry.out_width = columns.count;
  geometry.result = {x[0], out, rows.count, columns.count};
  return geometry;
}

// Calls take(places, first pixel of the result, number of pixels); places[tap * kPixelBlock + i]
// points to the channels of a pixel.
template <typename Take>
void PackedLinear::for_each_tile(const CodeArray& x, const Geometry& geometry,
                                 const Take& take) const {
  const std::vector<std::int16_t> zeros(x.stride() + kTileChannels, 0);
  const std::int16_t* const codes = x.codes<std::int16_t>();
  std::vector<const std::int16_t*> places(taps_ * kPixelBlock);
  const std::int64_t in_pixels = geometry.in_height * geometry.in_width;
  const std::int64_t out_pixels = geometry.out_height * geometry.out_width;
  const std::int64_t count = x.shape()[0] * out_pixels;
  const std::int64_t kernel_width = sizes_.is_rows() ? 1 : sizes_.window.kernel[1];
  for (std::int64_t first = 0; first < count; first += kPixelBlock) {
    const auto block = std::min<std::int64_t>(kPixelBlock, count - first);
    for (std::int64_t i = 0; i < block; ++i) {
      const std::int64_t pixel = (first + i) % out_pixels;
      const std::int16_t* const image =
          codes + (first + i) / out_pixels * in_pixels * static_cast<std::int64_t>(x.stride());
      for (std::size_t tap = 0; tap < taps_; ++tap) {
        std::int64_t row = 0;
        std::int64_t column = 0;
        if (!sizes_.is_rows()) {
          const auto t = static_cast<std::int64_t>(tap);
          row = pixel / geometry.out_width * sizes_.window.strides[0] +
                t / kernel_width * sizes_.window.dilations[0] - geometry.before_y;
          column = pixel % geometry.out_width * sizes_.window.strides[1] +
                   t % kernel_width * sizes_.window.dilations[1] - geometry.before_x;
        }
        const bool is_inside =
            row >= 0 && row < geometry.in_height && column >= 0 && column < geometry.in_width;
        places[tap * kPixelBlock + static_cast<std::size_t>(i)] =
            is_inside
                ? image + (row * geometry.in_width + column) * static_cast<std::int64_t>(x.stride())
                : zeros.data();
      }
    }
    take(places, static_cast<std::size_t>(first), static_cast<std::size_t>(block));
  }
}

void PackedLinear::run(const CodeArray& x, const Geometry& geometry, std::int16_t* codes,
                       std::int32_t* sums, std::size_t stride) const {
  const integer::IntegerKernels& kernels = integer::integer_kernels();
  const std::size_t block_in = sizes_.in_channels / blocks_;
  const std::size_t block_out = sizes_.out_channels / blocks_;
  const std::size_t padded_out = whole_tiles(block_out);
  const std::size_t pairs = (block_in + 1) / 2;
  const auto output_at = [&](std::size_t pixel, std::size_t channel, std::size_t packed) {
    integer::TileOutput output = {
        factors_.data() + packed, least_, greatest_, nullptr, nullptr, stride};
    if (codes != nullptr) output.codes = codes + pixel * stride + channel;
    if (sums != nullptr) output.sums = sums + pixel * stride + channel;
    return output;
  };
  for_each_tile(x, geometry, [&](const auto& places, std::size_t first, std::size_t count) {
    const auto for_each_part = [&](const auto& action) {
      for (std::size_t i = 0; i < count; i += kTilePixels) {
        action(integer::TileInput{places.data() + i, kPixelBlock, taps_,
                                  std::min(kTilePixels, count - i), 0},
               first + i);
      }
    };
    if (is_depthwise_) {
      for_each_part([&](const integer::TileInput& input, std::size_t pixel) {
        kernels.multiply_depthwise(input, weights_.data(), biases_.data(), padded_out,
                                   output_at(pixel, 0, 0));
      });
      return;
    }
    for (std::size_t block = 0; block < blocks_; ++block) {
      for (std::size_t tile = 0; tile < padded_out; tile += kTileChannels) {
        const std::size_t packed = block * padded_out + tile;
        for_each_part([&](integer::TileInput input, std::size_t pixel) {
          input.channel = block * block_in;
          kernels.multiply(input, pairs, weights_.data() + packed * taps_ * pairs,
                           biases_.data() + packed, std::min(kTileChannels, padded_out - tile),
                           output_at(pixel, block * block_out + tile, packed));
        });
      }
    }
  });
}

CodeArray PackedLinear::codes(const CodeArray& x) const {
  const Geometry places = geometry(x.shape());
  CodeArray y(places.result, CodeLayout::kChannelsLast, false);
  run(x, places, y.codes<std::int16_t>(), nullptr, y.stride());
  return y;
}

CodeArray PackedLinear::sums(const CodeArray& x) const {
  const Geometry places = geometry(x.shape());
  CodeArray y(places.result, CodeLayout::kChannelsLast, true);
  run(x, places, nullptr, y.codes<std::int32_t>(), y.stride());
  return y;
}

}  // namespace narrow
