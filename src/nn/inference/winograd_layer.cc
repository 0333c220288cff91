#include "nn/inference/winograd_layer.h"

#include <algorithm>
#include <utility>

#include "nn/winograd/winograd_tiles.h"

namespace narrow {
namespace {

using dnnl::memory;
using winograd::kWinogradPlanes;
using winograd::kWinogradTile;
using winograd::TileRange;
using winograd::WinogradImages;
using Convolution = dnnl::convolution_forward::primitive_desc;

// Planes whose distance is a power of two would compete for the same few lines of a cache.
constexpr std::size_t kPlaneGap = 16;

// With those that fill the last block: they are zero before and after.
int stored_channels(int channels) {
  const int block = activation_channel_block();
  return (channels + block - 1) / block * block;
}

WinogradImages blocked_images(int height, int width, int channels) {
  WinogradImages images;
  images.height = height;
  images.width = width;
  images.channels = stored_channels(channels);
  images.channel_block = activation_channel_block();
  const auto pixels = static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
  images.image_distance = pixels * static_cast<std::size_t>(images.channels);
  images.pixel_distance = static_cast<std::size_t>(images.channel_block);
  images.block_distance = pixels * images.pixel_distance;
  return images;
}

// So many tiles at once that operands and products of all matrices stay in a large cache, unless
// the matrices, which every chunk reads, take more room than that themselves.
std::int64_t tiles_at_once(const ConvGeometry& geometry, std::int64_t tiles) {
  constexpr std::int64_t kLeastFloats = 1 << 20;
  const std::int64_t matrices =
      static_cast<std::int64_t>(kWinogradPlanes) * geometry.in_channels * geometry.out_channels;
  const std::int64_t a_tile =
      static_cast<std::int64_t>(kWinogradPlanes) * (geometry.in_channels + geometry.out_channels);
  const std::int64_t most = std::max(std::max(matrices, kLeastFloats) / a_tile, std::int64_t{1});
  const std::int64_t chunks = (tiles + most - 1) / most;
  return (tiles + chunks - 1) / chunks;
}

// The matrix products of one chunk: a convolution of 1 x 1 over the tiles as pixels, once a point.
class Products {
 public:
  Products(ProgramBuilder& builder, const ConvGeometry& geometry, const FoldedConv& folded,
           std::int64_t tiles)
      : builder_(builder), geometry_(geometry), tiles_(tiles) {
    const auto primitive = describe(tiles);
    const std::size_t size = static_cast<std::size_t>(geometry.in_channels) * geometry.out_channels;
    std::vector<float> matrices(kWinogradPlanes * size);
    winograd::winograd_kernels(3).transform_kernel(folded.weights.data(), size, size, false,
                                                   matrices.data(), size);
    const memory::desc plain =
        float_desc(primitive.weights_desc().dims(), memory::format_tag::hwio);
    for (std::size_t p = 0; p < kWinogradPlanes; ++p) {
      weights_.push_back(builder.constant(&matrices[p * size], plain, primitive.weights_desc()));
    }
    in_plane_ = plane(geometry.in_channels);
    out_plane_ = plane(geometry.out_channels);
    operands_ = builder.new_buffer(kWinogradPlanes * in_plane_ * sizeof(float));
    products_ = builder.new_buffer(kWinogradPlanes * out_plane_ * sizeof(float));
  }

  // At most as many tiles as were given to the constructor.
  void multiply(std::int64_t tiles) {
    const auto primitive = describe(tiles);
    const dnnl::convolution_forward convolution(primitive);
    for (std::size_t p = 0; p < kWinogradPlanes; ++p) {
      builder_.add_primitive(
          convolution, primitive.scratchpad_desc(),
          {{DNNL_ARG_SRC, primitive.src_desc(), operands_, {}, p * in_plane_ * sizeof(float)},
           {DNNL_ARG_WEIGHTS, {}, -1, weights_[p]},
           {DNNL_ARG_DST, primitive.dst_desc(), products_, {}, p * out_plane_ * sizeof(float)}});
    }
  }

  [[nodiscard]] int operands() const { return operands_; }
  [[nodiscard]] int products() const { return products_; }
  [[nodiscard]] std::size_t in_plane() const { return in_plane_; }
  [[nodiscard]] std::size_t out_plane() const { return out_plane_; }

 private:
  [[nodiscard]] std::size_t plane(int channels) const {
    return static_cast<std::size_t>(tiles_) * static_cast<std::size_t>(stored_channels(channels)) +
           kPlaneGap;
  }

  [[nodiscard]] Convolution describe(std::int64_t tiles) const {
    const auto format = activation_format();
    return {
        {dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct,
         float_desc({1, geometry_.in_channels, 1, tiles}, format),
         float_desc({geometry_.out_channels, geometry_.in_channels, 1, 1}, memory::format_tag::any),
         float_desc({1, geometry_.out_channels, 1, tiles}, format), memory::dims{1, 1},
         memory::dims{0, 0}, memory::dims{0, 0}},
        shared_primitive_attributes(),
        builder_.engine()};
  }

  ProgramBuilder& builder_;
  ConvGeometry geometry_;
  std::int64_t tiles_;
  std::vector<memory> weights_;
  std::size_t in_plane_ = 0;
  std::size_t out_plane_ = 0;
  int operands_ = -1;
  int products_ = -1;
};

}  // namespace

bool winograd_pays(const ConvGeometry& geometry) {
  // Tiles and vectors must be filled for the most part, and enough tiles must share the matrices,
  // which are four times as large as the kernel; measured with the layers of ResNet V1 50 at 224
  // and 32 pixels, and with those of narrower networks.
  constexpr int kLeastChannels = 24;
  constexpr int kChannelsPerTile = 16;
  if (geometry.kernel != 3 || geometry.stride != 1) return false;
  const auto tiles_along = [](int size) { return (size + kWinogradTile - 1) / kWinogradTile; };
  const std::int64_t tiles = std::int64_t{geometry.images} * tiles_along(geometry.out_height) *
                             tiles_along(geometry.out_width);
  return std::min(geometry.out_height, geometry.out_width) >= kWinogradTile &&
         std::min(geometry.in_channels, geometry.out_channels) >= kLeastChannels &&
         tiles * kChannelsPerTile >= geometry.out_channels;
}

Activation add_winograd_conv(ProgramBuilder& builder, const ConvGeometry& geometry,
                             const FoldedConv& folded, bool relu, const Activation& x) {
  Activation y{
      -1,
      float_desc({geometry.images, geometry.out_channels, geometry.out_height, geometry.out_width},
                 activation_format()),
      geometry.out_height, geometry.out_width, geometry.out_channels};
  y.buffer = builder.new_buffer(y.desc.get_size());
  WinogradImages in = blocked_images(x.height, x.width, geometry.in_channels);
  in.padding = geometry.out_height == x.height ? 1 : 0;
  const WinogradImages out = blocked_images(y.height, y.width, geometry.out_channels);
  std::vector<float> biases = folded.biases;
  biases.resize(static_cast<std::size_t>(out.channels), 0.0F);
  const std::int64_t all = geometry.images * in.tiles_per_image();
  const std::int64_t together = tiles_at_once(geometry, all);
  Products products(builder, geometry, folded, together);
  const std::size_t in_plane = products.in_plane();
  const std::size_t out_plane = products.out_plane();
  for (std::int64_t first = 0; first < all; first += together) {
    const TileRange tiles{first, std::min(together, all - first)};
    builder.add_function(
        [in, tiles, in_plane](std::span<float* const> places) {
          winograd::input_tiles(in, places[0], tiles, {places[1], in_plane});
        },
        {{0, {}, x.buffer, {}}, {0, {}, products.operands(), {}}});
    products.multiply(tiles.count);
    builder.add_function(
        [out, tiles, out_plane, biases, relu](std::span<float* const> places) {
          winograd::output_tiles(out, {places[0], out_plane}, tiles, biases.data(), relu,
                                 places[1]);
        },
        {{0, {}, products.products(), {}}, {0, {}, y.buffer, {}}});
  }
  return y;
}

}  // namespace narrow
