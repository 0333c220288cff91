#include "nn/inference/tile_deconvolution.h"

#include <utility>

#include "nn/inference/strided_copy.h"

namespace narrow {
namespace {

using dnnl::memory;

// From [N, out x rows x columns, H, W] to [N, out, H x rows, W x columns].
StridedCopy copy_of_tiles(const ConvSizes& sizes) {
  const std::int64_t rows = sizes.strides[0];
  const std::int64_t columns = sizes.strides[1];
  const std::int64_t height = sizes.x[2];
  const std::int64_t width = sizes.x[3];
  const std::int64_t plane = height * width;
  StridedCopy copy;
  copy.axes = {{sizes.x[0] * sizes.y[1], rows * columns * plane, rows * columns * plane},
               {height, width, rows * columns * width},
               {rows, columns * plane, columns * width},
               {width, 1, columns},
               {columns, plane, 1}};
  copy.simplify();
  return copy;
}

// Of [in, out, rows, columns] the elements [out, rows, columns, in].
std::vector<float> inputs_last(const std::vector<float>& weights, std::size_t inputs) {
  const std::size_t outputs = weights.size() / inputs;
  std::vector<float> moved(weights.size());
  for (std::size_t i = 0; i < weights.size(); ++i) {
    moved[i % outputs * inputs + i / outputs] = weights[i];
  }
  return moved;
}

std::vector<float> one_for_each_element(const std::vector<float>& biases, std::size_t elements) {
  std::vector<float> repeated;
  for (const float bias : biases) repeated.insert(repeated.end(), elements, bias);
  return repeated;
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
  const std::int64_t elements = sizes.strides[0] * sizes.strides[1];
  const std::int64_t channels = sizes.y[1] * elements;
  const Shape tiles = {sizes.x[0], channels, sizes.x[2], sizes.x[3]};
  const memory::dims kernel = {channels, sizes.x[1], 1, 1};
  const auto kAny = memory::format_tag::any;
  const memory::desc biases_desc = float_desc({channels}, memory::format_tag::x);
  const dnnl::convolution_forward::primitive_desc primitive({dnnl::prop_kind::forward_inference,
                                                             dnnl::algorithm::convolution_direct,
                                                             plain_desc(sizes.x),
                                                             float_desc(kernel, kAny),
                                                             biases_desc,
                                                             plain_desc(tiles),
                                                             {1, 1},
                                                             {0, 0},
                                                             {0, 0},
                                                             {0, 0}},
                                                            attributes, values.engine(), true);
  if (!primitive) return false;
  const Node& node = values.graph().nodes[static_cast<std::size_t>(chain.conv)];
  const HeldValue x = values.plain(node.inputs[0]);
  const FoldedWeights folded = fold_conv(values, chain, sizes);
  const std::vector<float> weights =
      inputs_last(folded.weights, static_cast<std::size_t>(sizes.x[1]));
  const std::vector<float> biases =
      one_for_each_element(folded.biases, static_cast<std::size_t>(elements));
  ProgramBuilder& builder = values.builder();
  HeldValue made{DType::kFloat32, tiles, false, -1, -1, nullptr};
  made.buffer = builder.new_buffer(static_cast<std::size_t>(element_count(tiles)) * sizeof(float));
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
      [copy = copy_of_tiles(sizes)](std::span<float* const> places) {
        copy.run(bytes_at(places[0]), bytes_at(places[1]));
      },
      {argument(made), argument(values.define(chain.output))});
  return true;
}

}  // namespace narrow
