// From a graph to a program: every step of the graph becomes primitives over buffers. Batch norms
// are folded into their convolutions, ReLU and sums happen where the convolution writes: into the
// memory of the addend when nothing needs that afterwards. Activations lie in the blocked format of
// this CPU; a convolution of 3x3 is Winograd's where that pays.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "graph/layers.h"
#include "graph/operators.h"
#include "narrow/error.h"
#include "nn/inference/folded_conv.h"
#include "nn/inference/inference_program.h"
#include "nn/inference/program_builder.h"
#include "nn/inference/winograd_layer.h"
#include "nn/pool_geometry.h"

namespace narrow {
namespace {

using dnnl::algorithm;
using dnnl::memory;
using dnnl::prop_kind;
using Tag = dnnl::memory::format_tag;

[[noreturn]] void refuse_graph(const std::string& name, std::string_view what,
                               std::string_view why) {
  throw Error(ErrorCategory::kUnsupported,
              fmt::format("{}: {} cannot be executed yet{}", name, what, why));
}

class InferenceCompiler {
 public:
  InferenceCompiler(const Graph& graph, const WeightSource& source, int micro_batch)
      : graph_(graph),
        source_(source),
        layers_(layers(graph)),
        steps_(graph_steps(graph, layers_)),
        last_use_(last_uses(graph, steps_)),
        builder_(micro_batch),
        format_(activation_format()),
        values_(graph.values.size()) {}

  InferenceProgram compile(int height, int width) {
    if (graph_.inputs.size() != 1 || graph_.outputs.size() != 1) {
      refuse_graph(graph_.name, "a graph with several inputs or outputs", "");
    }
    if (graph_.value(graph_.inputs[0]).type != DType::kFloat32) {
      refuse_graph(graph_.name, "an input of another type than float32", "");
    }
    const Activation images = builder_.activation(height, width, image_channels(), Tag::nhwc);
    at(graph_.inputs[0]) = images;
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      const GraphStep& step = steps_[i];
      at(step.output()) = step.layer != nullptr ? add_layer(*step.layer, i) : add_node(*step.node);
    }
    // In the order of the graph: [N, channels, height, width], or already [N, channels].
    const Activation& last = at(graph_.outputs[0]);
    const Activation logits =
        last.desc.dims().size() == 2 ? last : builder_.reordered(last, Tag::nchw);
    return builder_.finish(images.buffer, logits.buffer);
  }

 private:
  Activation& at(ValueId id) { return values_[static_cast<std::size_t>(id)]; }

  [[nodiscard]] int image_channels() const {
    return static_cast<int>(graph_.value(graph_.inputs[0]).dimensions.at(1).size);
  }
  [[nodiscard]] bool is_input(ValueId id) const { return id == graph_.inputs[0]; }
  // One pixel whatever the size of the images.
  [[nodiscard]] bool is_always_one_pixel(ValueId id) const {
    const int producer = graph_.producer(id);
    return producer >= 0 && std::holds_alternative<op::GlobalAveragePool>(
                                graph_.nodes[static_cast<std::size_t>(producer)].attributes);
  }
  [[nodiscard]] bool is_last_use(ValueId id, std::size_t step) const {
    return last_use_[static_cast<std::size_t>(id)] == step && !is_input(id) &&
           id != graph_.outputs[0];
  }

  Activation add_layer(const Layer& layer, std::size_t step) {
    const Activation& x = at(layer.input);
    const FoldedConv folded = fold_batch_norm(layer, source_);
    const ConvGeometry geometry = conv_geometry(layer, builder_.micro_batch(), x.height, x.width);
    if (is_always_one_pixel(layer.input) && geometry.kernel == 1 && layer.addend == kNoValue &&
        !layer.relu) {
      return matrix_product(geometry, folded, x);
    }
    // oneDNN's convolution of three channels to blocked ones reads planes.
    const Activation from = is_input(layer.input) ? builder_.reordered(x, Tag::nchw) : x;
    if (layer.addend == kNoValue) return conv(geometry, folded, layer.relu, from, nullptr);
    const Activation sum = sum_memory(layer, step);
    if (sum.height != geometry.out_height || sum.width != geometry.out_width ||
        sum.channels != geometry.out_channels) {
      refuse_graph(layer.name, "a sum of values of different shapes", "");
    }
    return conv(geometry, folded, layer.relu, from, &sum);
  }

  // Holds the addend, and may be written to.
  Activation sum_memory(const Layer& layer, std::size_t step) {
    const Activation& addend = at(layer.addend);
    if (is_last_use(layer.addend, step) && layer.addend != layer.input) return addend;
    return builder_.reordered(addend, format_);
  }

  // The convolution with folded batch norm, then the sum with what is in `sum`, in its place, and
  // ReLU.
  Activation conv(const ConvGeometry& geometry, const FoldedConv& folded, bool relu,
                  const Activation& x, const Activation* sum) {
    if (sum == nullptr && !has_avx512() && winograd_pays(geometry)) {
      return add_winograd_conv(builder_, geometry, folded, relu, x);
    }
    const Activation y = sum != nullptr
                             ? *sum
                             : builder_.activation(geometry.out_height, geometry.out_width,
                                                   geometry.out_channels, format_);
    dnnl::post_ops post_ops;
    if (sum != nullptr) post_ops.append_sum();
    if (relu) post_ops.append_eltwise(1.0F, algorithm::eltwise_relu, 0.0F, 0.0F);
    dnnl::primitive_attr attributes = shared_primitive_attributes();
    attributes.set_post_ops(post_ops);

    const auto primitive = conv_primitive(geometry, x, y, attributes);
    builder_.add_primitive(
        dnnl::convolution_forward(primitive), primitive.scratchpad_desc(),
        {{DNNL_ARG_SRC, x.desc, x.buffer, {}},
         {DNNL_ARG_WEIGHTS,
          {},
          -1,
          builder_.constant(folded.weights.data(),
                            float_desc(primitive.weights_desc().dims(), Tag::hwio),
                            primitive.weights_desc())},
         {DNNL_ARG_BIAS,
          {},
          -1,
          builder_.constant(folded.biases.data(), primitive.bias_desc(), primitive.bias_desc())},
         {DNNL_ARG_DST, y.desc, y.buffer, {}}});
    return y;
  }

  dnnl::convolution_forward::primitive_desc conv_primitive(
      const ConvGeometry& geometry, const Activation& x, const Activation& y,
      const dnnl::primitive_attr& attributes) const {
    const memory::dims weights = {geometry.out_channels, geometry.in_channels, geometry.kernel,
                                  geometry.kernel};
    const auto make = [&](algorithm how) {
      return dnnl::convolution_forward::primitive_desc(
          {prop_kind::forward_inference, how, x.desc, float_desc(weights, Tag::any),
           float_desc({geometry.out_channels}, Tag::x), y.desc,
           memory::dims{geometry.stride, geometry.stride},
           memory::dims{geometry.padding(), geometry.padding()},
           memory::dims{geometry.padding_below(), geometry.padding_right()}},
          attributes, builder_.engine(), how == algorithm::convolution_winograd);
    };
    if (has_avx512() && winograd_pays(geometry)) {
      const auto winograd = make(algorithm::convolution_winograd);
      if (winograd) return winograd;
    }
    return make(algorithm::convolution_direct);
  }

  Activation add_node(const Node& node) {
    const Activation& x = at(node.inputs[0]);
    if (const auto* pool = std::get_if<op::MaxPool>(&node.attributes)) {
      return max_pool(node, *pool, x);
    }
    if (std::holds_alternative<op::GlobalAveragePool>(node.attributes)) return global_mean(x);
    if (std::holds_alternative<op::Flatten>(node.attributes) && x.height * x.width == 1) return x;
    refuse_graph(node.name, operator_of(node).name, " here");
  }

  Activation max_pool(const Node& node, const op::MaxPool& pool, const Activation& x) {
    const PoolGeometry g = pool_geometry(node.name, pool, x.height, x.width);
    const Activation y = builder_.activation(static_cast<int>(g.out[0]), static_cast<int>(g.out[1]),
                                             x.channels, format_);
    const dnnl::pooling_forward::primitive_desc primitive(
        {prop_kind::forward_inference, algorithm::pooling_max, x.desc, y.desc, g.strides, g.kernel,
         g.before, g.after},
        shared_primitive_attributes(), builder_.engine());
    builder_.add_primitive(
        dnnl::pooling_forward(primitive), primitive.scratchpad_desc(),
        {{DNNL_ARG_SRC, x.desc, x.buffer, {}}, {DNNL_ARG_DST, y.desc, y.buffer, {}}});
    return y;
  }

  Activation global_mean(const Activation& x) {
    const Activation y = builder_.activation(1, 1, x.channels, format_);
    const dnnl::pooling_forward::primitive_desc primitive(
        {prop_kind::forward_inference, algorithm::pooling_avg_exclude_padding, x.desc, y.desc,
         memory::dims{1, 1}, memory::dims{x.height, x.width}, memory::dims{0, 0},
         memory::dims{0, 0}},
        shared_primitive_attributes(), builder_.engine());
    builder_.add_primitive(
        dnnl::pooling_forward(primitive), primitive.scratchpad_desc(),
        {{DNNL_ARG_SRC, x.desc, x.buffer, {}}, {DNNL_ARG_DST, y.desc, y.buffer, {}}});
    return builder_.reordered(y, Tag::nchw);
  }

  // Of one pixel an image: [images, in] times [in, out].
  Activation matrix_product(const ConvGeometry& geometry, const FoldedConv& folded,
                            const Activation& x) {
    const memory::dim in = geometry.in_channels;
    const memory::dim out = geometry.out_channels;
    const auto from = float_desc({builder_.micro_batch(), in}, Tag::nc);
    Activation y{-1, float_desc({builder_.micro_batch(), out}, Tag::nc), 1, 1,
                 geometry.out_channels};
    const dnnl::inner_product_forward::primitive_desc primitive(
        {prop_kind::forward_inference, from, float_desc({out, in}, Tag::any),
         float_desc({out}, Tag::x), y.desc},
        shared_primitive_attributes(), builder_.engine());
    y.buffer = builder_.new_buffer(y.desc.get_size());
    builder_.add_primitive(
        dnnl::inner_product_forward(primitive), primitive.scratchpad_desc(),
        {{DNNL_ARG_SRC, from, x.buffer, {}},
         {DNNL_ARG_WEIGHTS,
          {},
          -1,
          builder_.constant(folded.weights.data(), float_desc({out, in}, Tag::io),
                            primitive.weights_desc())},
         {DNNL_ARG_BIAS,
          {},
          -1,
          builder_.constant(folded.biases.data(), primitive.bias_desc(), primitive.bias_desc())},
         {DNNL_ARG_DST, y.desc, y.buffer, {}}});
    return y;
  }

  const Graph& graph_;
  const WeightSource& source_;
  std::vector<Layer> layers_;
  std::vector<GraphStep> steps_;
  std::vector<std::size_t> last_use_;  // by ValueId: the step
  ProgramBuilder builder_;
  Tag format_;
  std::vector<Activation> values_;  // by ValueId
};

}  // namespace

InferenceProgram compile_inference(const Graph& graph, const WeightSource& source, int height,
                                   int width, int micro_batch) {
  return InferenceCompiler(graph, source, micro_batch).compile(height, width);
}

}  // namespace narrow
