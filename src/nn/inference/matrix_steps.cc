// Products of matrices by oneDNN.
#include <algorithm>
#include <utility>
#include <vector>

#include "nn/inference/conv_folding.h"
#include "nn/inference/conv_step.h"
#include "nn/inference/native_steps.h"

namespace narrow {
namespace {

using dnnl::memory;
using Product = dnnl::matmul::primitive_desc;

memory::desc described(const memory::dims& dims, bool transposed = false) {
  memory::desc desc = plain_desc(dims);
  if (!transposed) return desc;
  return {dims, memory::data_type::f32, memory::dims{1, dims[0]}};
}

void add_product(ProgramValues& values, const Node& node, const memory::desc& a,
                 const memory::desc& b, const memory::desc& y, const std::vector<float>& biases) {
  memory::dims bias_dims(y.dims().size(), 1);
  bias_dims.back() = y.dims().back();
  const memory::desc bias = plain_desc(bias_dims);
  const dnnl::matmul::desc what =
      biases.empty() ? dnnl::matmul::desc(a, b, y) : dnnl::matmul::desc(a, b, bias, y);
  const Product primitive(what, shared_primitive_attributes(), values.engine());
  std::vector<StepArgument> arguments = {values.plain_argument(node.inputs[0], DNNL_ARG_SRC),
                                         values.plain_argument(node.inputs[1], DNNL_ARG_WEIGHTS)};
  arguments[0].desc = a;
  arguments[1].desc = b;
  for (StepArgument& argument : arguments) {
    if (argument.buffer >= 0) continue;
    argument.constant = memory(argument.desc, values.engine(), argument.constant.get_data_handle());
  }
  if (!biases.empty()) {
    arguments.push_back(
        {DNNL_ARG_BIAS, {}, -1, values.builder().constant(biases.data(), bias, bias)});
  }
  arguments.push_back(argument(values.define(node.output()), DNNL_ARG_DST));
  arguments.back().desc = y;
  values.builder().add_primitive(dnnl::matmul(primitive), primitive.scratchpad_desc(),
                                 std::move(arguments));
}

std::int64_t product_of(std::span<const std::int64_t> sizes) {
  std::int64_t count = 1;
  for (const std::int64_t size : sizes) count *= size;
  return count;
}

bool add_matmul(ProgramValues& values, const Node& node) {
  Shape a = *values.shape_of(node.inputs[0]);
  Shape b = *values.shape_of(node.inputs[1]);
  if (a.size() < 2 || b.size() < 2) return false;
  if (b.size() == 2) {
    // One matrix for all: the rows of all others are rows of one.
    const std::int64_t rows = product_of(std::span(a).first(a.size() - 1));
    add_product(values, node, described({rows, a.back()}), described(b), described({rows, b[1]}),
                {});
    return true;
  }
  const std::size_t rank = std::max(a.size(), b.size());
  constexpr std::size_t kMostAxes = 6;
  if (rank > kMostAxes) return false;
  a.insert(a.begin(), rank - a.size(), 1);
  b.insert(b.begin(), rank - b.size(), 1);
  Shape y = *values.shape_of(node.output());
  if (std::equal(a.begin(), a.end() - 2, b.begin())) {
    const std::int64_t count = product_of(std::span(a).first(rank - 2));
    add_product(values, node, described({count, a[rank - 2], a.back()}),
                described({count, b[rank - 2], b.back()}),
                described({count, y[rank - 2], y.back()}), {});
    return true;
  }
  add_product(values, node, described(a), described(b), described(y), {});
  return true;
}

// beta * C as one element a column; nothing when it is something else.
bool take_biases(ProgramValues& values, const Node& node, const op::Gemm& gemm,
                 std::int64_t columns, std::vector<float>& biases) {
  if (node.inputs.size() < 3 || node.inputs[2] == kNoValue || gemm.beta == 0) return true;
  if (!values.is_stored(node.inputs[2])) return false;
  const Shape shape = *values.shape_of(node.inputs[2]);
  if (shape.size() > 2 || (shape.size() == 2 && shape[0] != 1)) return false;
  const auto stored = values.stored(node.inputs[2]);
  for (std::int64_t i = 0; i < columns; ++i) {
    const std::size_t place = stored->values.size() == 1 ? 0 : static_cast<std::size_t>(i);
    biases.push_back(static_cast<float>(gemm.beta * stored->values[place]));
  }
  return true;
}

bool add_gemm(ProgramValues& values, const Node& node, const op::Gemm& gemm) {
  if (gemm.alpha != 1) return false;
  const Shape a = *values.shape_of(node.inputs[0]);
  const Shape b = *values.shape_of(node.inputs[1]);
  const Shape y = *values.shape_of(node.output());
  std::vector<float> biases;
  if (!take_biases(values, node, gemm, y[1], biases)) return false;
  const std::int64_t inner = gemm.transpose_a ? a[0] : a[1];
  add_product(values, node, described({y[0], inner}, gemm.transpose_a),
              described({inner, y[1]}, gemm.transpose_b), described(y), biases);
  return true;
}

}  // namespace

bool add_product_chain(ProgramValues& values, const ConvChain& chain, int position) {
  const Node& node = values.graph().nodes[static_cast<std::size_t>(chain.conv)];
  const auto* const gemm = std::get_if<op::Gemm>(&node.attributes);
  const Shape given = *values.shape_of(node.inputs[1]);
  const Shape shape = *values.shape_of(chain.output);
  const bool columns_first = gemm != nullptr && gemm->transpose_b;
  const std::int64_t inputs = given[columns_first ? 1 : 0];
  const std::int64_t columns = given[columns_first ? 0 : 1];
  const std::int64_t rows = product_of(std::span(shape).first(shape.size() - 1));
  // As of a convolution of one tap, whose weights have their inputs first where it is transposed.
  const ConvSizes sizes{
      !columns_first, {rows, inputs}, {rows, columns}, 1, {columns, inputs}, {}, {}, {}, {}};
  const memory::desc from = plain_desc(sizes.x);
  const memory::desc to = plain_desc(sizes.y);
  const memory::desc biases = plain_desc({columns});
  const dnnl::inner_product_forward::primitive_desc primitive(
      {dnnl::prop_kind::forward_inference, from, float_desc(sizes.weights, memory::format_tag::any),
       biases, to},
      chain_attributes(values, chain), values.engine(), true);
  if (!primitive) return false;
  const HeldValue x = values.plain(node.inputs[0]);
  const FoldedWeights folded = fold_conv(values, chain, sizes);
  const HeldValue y = define_chain_result(values, chain, position, x, false);
  const memory::desc stored = {sizes.weights, memory::data_type::f32,
                               columns_first ? memory::dims{inputs, 1} : memory::dims{1, columns}};
  ProgramBuilder& builder = values.builder();
  builder.add_primitive(
      dnnl::inner_product_forward(primitive), primitive.scratchpad_desc(),
      {{DNNL_ARG_SRC, from, x.buffer, {}},
       {DNNL_ARG_WEIGHTS,
        {},
        -1,
        builder.constant(folded.weights.data(), stored, primitive.weights_desc())},
       {DNNL_ARG_BIAS, {}, -1, builder.constant(folded.biases.data(), biases, biases)},
       {DNNL_ARG_DST, to, y.buffer, {}}});
  return true;
}

bool add_matrix_step(ProgramValues& values, const Node& node) {
  const auto* const gemm = std::get_if<op::Gemm>(&node.attributes);
  if (gemm == nullptr && !std::holds_alternative<op::MatMul>(node.attributes)) return false;
  if (!values.is_array(node.inputs[0]) || !values.is_array(node.inputs[1])) return false;
  return gemm != nullptr ? add_gemm(values, node, *gemm) : add_matmul(values, node);
}

}  // namespace narrow
