#include "nn/inference/tile_deconvolution.h"

#include <algorithm>
#include <utility>

#include "nn/inference/strided_copy.h"

namespace narrow {
namespace {

using dnnl::memory;

// How the elements of all tiles lie in the channels of a convolution of 1 x 1.
enum class TileOrder : std::uint8_t {
  kPlain,            // an output's elements one after the other, row-major; so is the result
  kBlocksOfOutputs,  // for each element all outputs, in full blocks of channels as in the result
  kOneBlock,         // the elements of the only output in the first block
};

// Whether the channels that fill the last block stay zero.
bool keeps_zero(const std::vector<ElementStep>& steps) {
  return std::ranges::all_of(steps, [](const ElementStep& step) {
    return step.kind == ElementKind::kEltwise && (step.how == dnnl::algorithm::eltwise_relu ||
                                                  step.how == dnnl::algorithm::eltwise_hardswish ||
                                                  step.how == dnnl::algorithm::eltwise_swish);
  });
}

TileOrder order_of(const ConvSizes& sizes, const std::vector<ElementStep>& steps) {
  const std::int64_t block = activation_channel_block();
  const bool fills_most = sizes.y[1] % block == 0 || (2 * sizes.y[1] > block && keeps_zero(steps));
  if (fills_most) return TileOrder::kBlocksOfOutputs;
  const bool fits = sizes.y[1] == 1 && sizes.strides[0] * sizes.strides[1] <= block;
  return fits ? TileOrder::kOneBlock : TileOrder::kPlain;
}

// Of each element of a tile.
std::int64_t made_outputs(const ConvSizes& sizes, TileOrder order) {
  if (order != TileOrder::kBlocksOfOutputs) return sizes.y[1];
  const std::int64_t block = activation_channel_block();
  return (sizes.y[1] + block - 1) / block * block;
}

// From the channels to [N, outputs, height x rows, width x columns].
StridedCopy copy_of_tiles(const ConvSizes& sizes, TileOrder order) {
  const std::int64_t rows = sizes.strides[0];
  const std::int64_t columns = sizes.strides[1];
  const std::int64_t height = sizes.x[2];
  const std::int64_t width = sizes.x[3];
  const std::int64_t plane = height * width;
  const std::int64_t tiles = rows * columns * plane;
  const std::int64_t block = order == TileOrder::kPlain ? 1 : activation_channel_block();
  // In the channels: from one element of a tile to the next, and from one pixel to the next.
  const std::int64_t made = made_outputs(sizes, order);
  std::int64_t element = plane;
  std::int64_t image = made * tiles;
  std::vector<StridedCopy::Axis> outputs = {{made, tiles, tiles}};
  StridedCopy::Axis lanes = {1, 1, 1};
  std::int64_t to = 1;  // from one pixel of the result to the next
  if (order == TileOrder::kBlocksOfOutputs) {
    element = plane * made;
    outputs = {{made / block, plane * block, tiles * block}};
    lanes = {block, 1, 1};
    to = block;
  } else if (order == TileOrder::kOneBlock) {
    element = 1;
    image = plane * block;
  }
  StridedCopy copy;
  copy.axes = {{sizes.x[0], image, made * tiles},
               outputs.front(),
               {height, width * block, rows * columns * width * to},
               {rows, columns * element, columns * width * to},
               {width, block, columns * to},
               {columns, element, to},
               lanes};
  copy.simplify();
  return copy;
}

// Of [in, out, rows, columns] the channels of the convolution, of inputs each; zeros fill the last.
std::vector<float> weights_of(const std::vector<float>& given, const ConvSizes& sizes,
                              TileOrder order, std::size_t channels) {
  const auto inputs = static_cast<std::size_t>(sizes.x[1]);
  const auto outputs = static_cast<std::size_t>(sizes.y[1]);
  const std::size_t made = given.size() / inputs;
  const std::size_t elements = made / outputs;
  const auto stride = static_cast<std::size_t>(made_outputs(sizes, order));
  std::vector<float> weights(channels * inputs, 0.0F);
  for (std::size_t i = 0; i < given.size(); ++i) {
    const std::size_t tile = i % made;
    const std::size_t channel =
        order == TileOrder::kBlocksOfOutputs ? tile % elements * stride + tile / elements : tile;
    weights[channel * inputs + i / made] = given[i];
  }
  return weights;
}

std::vector<float> biases_of(const std::vector<float>& given, const ConvSizes& sizes,
                             TileOrder order, std::size_t channels) {
  const auto elements = static_cast<std::size_t>(sizes.strides[0] * sizes.strides[1]);
  const auto stride = static_cast<std::size_t>(made_outputs(sizes, order));
  std::vector<float> biases(channels, 0.0F);
  for (std::size_t output = 0; output < given.size(); ++output) {
    for (std::size_t i = 0; i < elements; ++i) {
      const bool in_blocks = order == TileOrder::kBlocksOfOutputs;
      biases[in_blocks ? i * stride + output : output * elements + i] = given[output];
    }
  }
  return biases;
}

}  // namespace

bool makes_tiles(const ConvSizes& sizes) {
  const memory::dims zeros = {0, 0};
  return sizes.is_transposed && sizes.group == 1 && sizes.x.size() == 4 &&
         sizes.weights[2] == sizes.strides[0] && sizes.weights[3] == sizes.strides[1] &&
         sizes.dilations == zeros && sizes.before == zeros && sizes.after == zeros;
}

bool add_tile_deconvolution(ProgramValues& values, const ConvChain& chain, const ConvSizes& sizes,
                            const dnnl::primitive_attr& attributes) {
  const TileOrder order = order_of(sizes, chain.elements);
  const bool is_blocked = order != TileOrder::kPlain;
  const std::int64_t elements = sizes.strides[0] * sizes.strides[1];
  const std::int64_t channels = order == TileOrder::kOneBlock
                                    ? activation_channel_block()
                                    : made_outputs(sizes, order) * elements;
  const Shape tiles = {sizes.x[0], channels, sizes.x[2], sizes.x[3]};
  const HeldValue made_like{DType::kFloat32, tiles, is_blocked, -1, -1, nullptr};
  const memory::dims kernel = {channels, sizes.x[1], 1, 1};
  const auto kAny = memory::format_tag::any;
  const memory::desc biases_desc = float_desc({channels}, memory::format_tag::x);
  const dnnl::convolution_forward::primitive_desc primitive(
      {dnnl::prop_kind::forward_inference,
       dnnl::algorithm::convolution_direct,
       is_blocked ? blocked_desc(sizes.x) : plain_desc(sizes.x),
       float_desc(kernel, kAny),
       biases_desc,
       desc_of(made_like),
       {1, 1},
       {0, 0},
       {0, 0},
       {0, 0}},
      attributes, values.engine(), true);
  if (!primitive) return false;
  const Node& node = values.graph().nodes[static_cast<std::size_t>(chain.conv)];
  const HeldValue x = is_blocked ? values.blocked(node.inputs[0]) : values.plain(node.inputs[0]);
  const FoldedWeights folded = fold_conv(values, chain, sizes);
  const auto count = static_cast<std::size_t>(channels);
  const std::vector<float> weights = weights_of(folded.weights, sizes, order, count);
  const std::vector<float> biases = biases_of(folded.biases, sizes, order, count);
  ProgramBuilder& builder = values.builder();
  HeldValue made = made_like;
  made.buffer = builder.new_buffer(desc_of(made).get_size());
  builder.add_primitive(
      dnnl::convolution_forward(primitive), primitive.scratchpad_desc(),
      {argument(x, DNNL_ARG_SRC),
       {DNNL_ARG_WEIGHTS,
        {},
        -1,
        builder.constant(weights.data(), float_desc(kernel, memory::format_tag::oihw),
                         primitive.weights_desc())},
       {DNNL_ARG_BIAS, {}, -1, builder.constant(biases.data(), biases_desc, primitive.bias_desc())},
       argument(made, DNNL_ARG_DST)});
  builder.add_function(
      [copy = copy_of_tiles(sizes, order)](std::span<float* const> places) {
        copy.run(bytes_at(places[0]), bytes_at(places[1]));
      },
      {argument(made),
       argument(values.define(chain.output, order == TileOrder::kBlocksOfOutputs))});
  return true;
}

}  // namespace narrow
