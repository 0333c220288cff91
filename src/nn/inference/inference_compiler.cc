#include <algorithm>
#include <utility>

#include "nn/inference/folded_conv.h"
#include "nn/inference/inference_program.h"
#include "nn/inference/program_builder.h"
#include "nn/inference/winograd_layer.h"

namespace narrow {
namespace {

using dnnl::algorithm;
using dnnl::memory;
using dnnl::prop_kind;
using Tag = dnnl::memory::format_tag;

class Compiler {
 public:
  Compiler(const VariableSource& source, int micro_batch)
      : source_(source), builder_(micro_batch), format_(activation_format()) {}

  InferenceProgram compile(const ResnetV1& network, int height, int width) {
    const Activation images = builder_.activation(height, width, 3, Tag::nhwc);
    Activation x = root_conv(network.conv1, images);
    x = max_pool(x, 3, 2);
    for (const BottleneckUnit& unit : network.units) x = add_unit(unit, x);
    const int logits_buffer = logits(network, global_mean(x));
    return builder_.finish(images.buffer, logits_buffer);
  }

 private:
  // oneDNN's convolution of three channels to blocked ones reads planes.
  Activation root_conv(const ConvLayer& layer, const Activation& x) {
    const Activation planes = builder_.reordered(x, Tag::nchw);
    return conv(layer, planes, nullptr);
  }

  Activation add_unit(const BottleneckUnit& unit, const Activation& x) {
    // conv3 adds to the shortcut's memory; of an identity, to x itself.
    Activation sum = x;
    if (unit.shortcut) {
      sum = conv(*unit.shortcut, x, nullptr);
    } else if (unit.stride != 1) {
      sum = max_pool(x, 1, unit.stride);
    }
    const Activation inner = conv(unit.conv2, conv(unit.conv1, x, nullptr), nullptr);
    return conv(unit.conv3, inner, &sum);
  }

  // The convolution with folded batch norm, then the sum with `addend` and ReLU in its place, or
  // the layer's own ReLU.
  Activation conv(const ConvLayer& layer, const Activation& x, const Activation* addend) {
    const FoldedConv folded = fold_batch_norm(layer, source_);
    if (addend == nullptr && !has_avx512() && prefers_winograd(layer, x)) {
      return add_winograd_conv(builder_, layer, folded, x);
    }
    const Activation y =
        addend != nullptr
            ? *addend
            : builder_.activation(strided_size(x.height, layer.stride),
                                  strided_size(x.width, layer.stride), layer.out_depth, format_);
    dnnl::post_ops post_ops;
    if (addend != nullptr) post_ops.append_sum();
    if (addend != nullptr || layer.relu) {
      post_ops.append_eltwise(1.0F, algorithm::eltwise_relu, 0.0F, 0.0F);
    }
    dnnl::primitive_attr attributes = shared_primitive_attributes();
    attributes.set_post_ops(post_ops);

    const auto primitive = conv_primitive(layer, x, y, attributes);
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

  [[nodiscard]] bool prefers_winograd(const ConvLayer& layer, const Activation& x) const {
    return winograd_pays(layer, builder_.micro_batch(), x.height, x.width);
  }

  dnnl::convolution_forward::primitive_desc conv_primitive(
      const ConvLayer& layer, const Activation& x, const Activation& y,
      const dnnl::primitive_attr& attributes) const {
    const memory::dims weights = {layer.out_depth, layer.in_depth, layer.kernel, layer.kernel};
    const memory::dim before = (layer.kernel - 1) / 2;
    const auto after = [&](int in, int out) {
      return static_cast<memory::dim>(out - 1) * layer.stride + layer.kernel - in - before;
    };
    const auto make = [&](algorithm how) {
      return dnnl::convolution_forward::primitive_desc(
          {prop_kind::forward_inference, how, x.desc, float_desc(weights, Tag::any),
           float_desc({layer.out_depth}, Tag::x), y.desc, memory::dims{layer.stride, layer.stride},
           memory::dims{before, before},
           memory::dims{after(x.height, y.height), after(x.width, y.width)}},
          attributes, builder_.engine(), how == algorithm::convolution_winograd);
    };
    if (has_avx512() && prefers_winograd(layer, x)) {
      const auto winograd = make(algorithm::convolution_winograd);
      if (winograd) return winograd;
    }
    return make(algorithm::convolution_direct);
  }

  // TensorFlow's SAME padding: the smaller half before. With size 1 it keeps every stride-th pixel.
  Activation max_pool(const Activation& x, int size, int stride) {
    const Activation y = builder_.activation(strided_size(x.height, stride),
                                             strided_size(x.width, stride), x.depth, format_);
    const auto padding = [&](int in, int out) {
      const int total = std::max((out - 1) * stride + size - in, 0);
      return std::pair<memory::dim, memory::dim>(total / 2, total - total / 2);
    };
    const auto [top, bottom] = padding(x.height, y.height);
    const auto [left, right] = padding(x.width, y.width);
    const dnnl::pooling_forward::primitive_desc primitive(
        {prop_kind::forward_inference, algorithm::pooling_max, x.desc, y.desc,
         memory::dims{stride, stride}, memory::dims{size, size}, memory::dims{top, left},
         memory::dims{bottom, right}},
        shared_primitive_attributes(), builder_.engine());
    builder_.add_primitive(
        dnnl::pooling_forward(primitive), primitive.scratchpad_desc(),
        {{DNNL_ARG_SRC, x.desc, x.buffer, {}}, {DNNL_ARG_DST, y.desc, y.buffer, {}}});
    return y;
  }

  Activation global_mean(const Activation& x) {
    const Activation y = builder_.activation(1, 1, x.depth, format_);
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

  int logits(const ResnetV1& network, const Activation& features) {
    const memory::dim depth = network.feature_depth;
    const memory::dim classes = network.class_count;
    std::vector<float> weights(static_cast<std::size_t>(depth * classes));
    std::vector<float> biases(static_cast<std::size_t>(classes));
    source_.read(network.logits_name() + "/weights", weights);
    source_.read(network.logits_name() + "/biases", biases);

    const auto features_desc = float_desc({builder_.micro_batch(), depth}, Tag::nc);
    const auto logits_desc = float_desc({builder_.micro_batch(), classes}, Tag::nc);
    const dnnl::inner_product_forward::primitive_desc primitive(
        {prop_kind::forward_inference, features_desc, float_desc({classes, depth}, Tag::any),
         float_desc({classes}, Tag::x), logits_desc},
        shared_primitive_attributes(), builder_.engine());
    const int buffer = builder_.new_buffer(logits_desc.get_size());
    builder_.add_primitive(
        dnnl::inner_product_forward(primitive), primitive.scratchpad_desc(),
        {{DNNL_ARG_SRC, features_desc, features.buffer, {}},
         {DNNL_ARG_WEIGHTS,
          {},
          -1,
          builder_.constant(weights.data(), float_desc({classes, depth}, Tag::io),
                            primitive.weights_desc())},
         {DNNL_ARG_BIAS,
          {},
          -1,
          builder_.constant(biases.data(), primitive.bias_desc(), primitive.bias_desc())},
         {DNNL_ARG_DST, logits_desc, buffer, {}}});
    return buffer;
  }

  const VariableSource& source_;
  ProgramBuilder builder_;
  Tag format_;
};

}  // namespace

InferenceProgram compile_inference(const ResnetV1& network, const VariableSource& source,
                                   int height, int width, int micro_batch) {
  return Compiler(source, micro_batch).compile(network, height, width);
}

}  // namespace narrow
