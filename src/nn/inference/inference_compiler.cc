#include <algorithm>
#include <utility>

#include "nn/inference/folded_conv.h"
#include "nn/inference/inference_program.h"

namespace narrow {
namespace {

using dnnl::algorithm;
using dnnl::memory;
using dnnl::prop_kind;
using Tag = dnnl::memory::format_tag;

// Winograd's F(4x4, 3x3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR
// 2016) does a quarter of the multiplications on tiles of 4 x 4 pixels, with weights four times as
// large. It pays when the tiles are filled, the channels fill vectors, and enough tiles share the
// weights; measured with the layers of ResNet V1 50 at 224 and 32 pixels.
bool winograd_pays(const ConvLayer& layer, std::int64_t images, int height, int width) {
  constexpr int kTile = 4;
  constexpr int kLeastDepth = 64;
  constexpr int kDepthPerTile = 16;
  if (!has_avx512() || layer.kernel != 3 || layer.stride != 1) return false;
  const std::int64_t tiles = images * strided_size(height, kTile) * strided_size(width, kTile);
  return std::min(height, width) >= kTile &&
         std::min(layer.in_depth, layer.out_depth) >= kLeastDepth &&
         tiles * kDepthPerTile >= layer.out_depth;
}

// Activations of the micro-batch at one point of the network.
struct Activation {
  int buffer = -1;
  memory::desc desc;
  int height = 0;
  int width = 0;
  int depth = 0;
};

class Compiler {
 public:
  Compiler(const VariableSource& source, int micro_batch)
      : source_(source), micro_batch_(micro_batch), format_(activation_format()) {
    program_.engine = dnnl::engine(dnnl::engine::kind::cpu, 0);
  }

  InferenceProgram compile(const ResnetV1& network, int height, int width) {
    Activation x = root_conv(network.conv1, images(height, width));
    x = max_pool(x, 3, 2);
    for (const BottleneckUnit& unit : network.units) x = add_unit(unit, x);
    program_.logits_buffer = logits(network, global_mean(x));
    program_.plan = plan_memory(buffers_);
    return std::move(program_);
  }

 private:
  Activation images(int height, int width) {
    Activation x = activation(height, width, 3, Tag::nhwc);
    program_.image_buffer = x.buffer;
    return x;
  }

  // oneDNN's convolution of three channels to blocked ones reads planes.
  Activation root_conv(const ConvLayer& layer, const Activation& x) {
    const Activation planes = reordered(x, Tag::nchw);
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
    const Activation y = addend != nullptr ? *addend
                                           : activation(strided_size(x.height, layer.stride),
                                                        strided_size(x.width, layer.stride),
                                                        layer.out_depth, format_);
    dnnl::post_ops post_ops;
    if (addend != nullptr) post_ops.append_sum();
    if (addend != nullptr || layer.relu) {
      post_ops.append_eltwise(1.0F, algorithm::eltwise_relu, 0.0F, 0.0F);
    }
    dnnl::primitive_attr attributes = shared_primitive_attributes();
    attributes.set_post_ops(post_ops);

    const auto primitive = conv_primitive(layer, x, y, attributes);
    const FoldedConv folded = fold_batch_norm(layer, source_);
    add_step(dnnl::convolution_forward(primitive), primitive.scratchpad_desc(),
             {{DNNL_ARG_SRC, x.desc, x.buffer, {}},
              {DNNL_ARG_WEIGHTS,
               {},
               -1,
               constant(folded.weights, float_desc(primitive.weights_desc().dims(), Tag::hwio),
                        primitive.weights_desc())},
              {DNNL_ARG_BIAS,
               {},
               -1,
               constant(folded.biases, primitive.bias_desc(), primitive.bias_desc())},
              {DNNL_ARG_DST, y.desc, y.buffer, {}}});
    return y;
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
          attributes, program_.engine, how == algorithm::convolution_winograd);
    };
    if (winograd_pays(layer, micro_batch_, y.height, y.width)) {
      const auto winograd = make(algorithm::convolution_winograd);
      if (winograd) return winograd;
    }
    return make(algorithm::convolution_direct);
  }

  // TensorFlow's SAME padding: the smaller half before. With size 1 it keeps every stride-th pixel.
  Activation max_pool(const Activation& x, int size, int stride) {
    const Activation y =
        activation(strided_size(x.height, stride), strided_size(x.width, stride), x.depth, format_);
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
        shared_primitive_attributes(), program_.engine);
    add_step(dnnl::pooling_forward(primitive), primitive.scratchpad_desc(),
             {{DNNL_ARG_SRC, x.desc, x.buffer, {}}, {DNNL_ARG_DST, y.desc, y.buffer, {}}});
    return y;
  }

  Activation global_mean(const Activation& x) {
    const Activation y = activation(1, 1, x.depth, format_);
    const dnnl::pooling_forward::primitive_desc primitive(
        {prop_kind::forward_inference, algorithm::pooling_avg_exclude_padding, x.desc, y.desc,
         memory::dims{1, 1}, memory::dims{x.height, x.width}, memory::dims{0, 0},
         memory::dims{0, 0}},
        shared_primitive_attributes(), program_.engine);
    add_step(dnnl::pooling_forward(primitive), primitive.scratchpad_desc(),
             {{DNNL_ARG_SRC, x.desc, x.buffer, {}}, {DNNL_ARG_DST, y.desc, y.buffer, {}}});
    return reordered(y, Tag::nchw);
  }

  int logits(const ResnetV1& network, const Activation& features) {
    const memory::dim depth = network.feature_depth;
    const memory::dim classes = network.class_count;
    std::vector<float> weights(static_cast<std::size_t>(depth * classes));
    std::vector<float> biases(static_cast<std::size_t>(classes));
    source_.read(network.logits_name() + "/weights", weights);
    source_.read(network.logits_name() + "/biases", biases);

    const auto features_desc = float_desc({micro_batch_, depth}, Tag::nc);
    const auto logits_desc = float_desc({micro_batch_, classes}, Tag::nc);
    const dnnl::inner_product_forward::primitive_desc primitive(
        {prop_kind::forward_inference, features_desc, float_desc({classes, depth}, Tag::any),
         float_desc({classes}, Tag::x), logits_desc},
        shared_primitive_attributes(), program_.engine);
    const int buffer = new_buffer(logits_desc.get_size());
    add_step(
        dnnl::inner_product_forward(primitive), primitive.scratchpad_desc(),
        {{DNNL_ARG_SRC, features_desc, features.buffer, {}},
         {DNNL_ARG_WEIGHTS,
          {},
          -1,
          constant(weights, float_desc({classes, depth}, Tag::io), primitive.weights_desc())},
         {DNNL_ARG_BIAS, {}, -1, constant(biases, primitive.bias_desc(), primitive.bias_desc())},
         {DNNL_ARG_DST, logits_desc, buffer, {}}});
    return buffer;
  }

  Activation reordered(const Activation& x, Tag format) {
    const Activation y = activation(x.height, x.width, x.depth, format);
    const dnnl::reorder::primitive_desc primitive(program_.engine, x.desc, program_.engine, y.desc,
                                                  shared_primitive_attributes());
    add_step(dnnl::reorder(primitive), primitive.scratchpad_desc(),
             {{DNNL_ARG_FROM, x.desc, x.buffer, {}}, {DNNL_ARG_TO, y.desc, y.buffer, {}}});
    return y;
  }

  Activation activation(int height, int width, int depth, Tag format) {
    Activation x{-1, float_desc({micro_batch_, depth, height, width}, format), height, width,
                 depth};
    x.buffer = new_buffer(x.desc.get_size());
    return x;
  }

  // A buffer that the next step writes first.
  int new_buffer(std::size_t byte_size) {
    const int step = static_cast<int>(program_.steps.size());
    buffers_.push_back({byte_size, step, step});
    return static_cast<int>(buffers_.size()) - 1;
  }

  void add_step(dnnl::primitive primitive, const memory::desc& scratchpad,
                std::vector<StepArgument> arguments) {
    if (scratchpad.get_size() > 0) {
      arguments.push_back({DNNL_ARG_SCRATCHPAD, scratchpad, new_buffer(scratchpad.get_size()), {}});
    }
    for (const StepArgument& argument : arguments) {
      if (argument.buffer < 0) continue;
      BufferLifetime& lifetime = buffers_[static_cast<std::size_t>(argument.buffer)];
      lifetime.last_step = static_cast<int>(program_.steps.size());
    }
    program_.steps.push_back({std::move(primitive), std::move(arguments)});
  }

  memory constant(const std::vector<float>& values, const memory::desc& from,
                  const memory::desc& to) {
    memory source(from, program_.engine, const_cast<float*>(values.data()));
    memory result(to, program_.engine, weight_place(to.get_size()));
    dnnl::stream stream(program_.engine);
    dnnl::reorder(source, result).execute(stream, source, result);
    stream.wait();
    program_.weight_bytes += to.get_size();
    return result;
  }

  // Weights share large pieces of memory, since only large pieces can have huge pages.
  std::byte* weight_place(std::size_t byte_size) {
    constexpr std::size_t kPieceBytes = std::size_t{16} << 20;
    constexpr std::size_t kAlignment = 4096;
    const std::size_t needed = (byte_size + kAlignment - 1) / kAlignment * kAlignment;
    if (needed > weight_bytes_left_) {
      weight_bytes_left_ = std::max(needed, kPieceBytes);
      next_weights_ = program_.weight_memory.emplace_back(weight_bytes_left_).data();
    }
    std::byte* const place = next_weights_;
    next_weights_ += needed;
    weight_bytes_left_ -= needed;
    return place;
  }

  const VariableSource& source_;
  memory::dim micro_batch_;
  Tag format_;
  InferenceProgram program_;
  std::vector<BufferLifetime> buffers_;
  std::byte* next_weights_ = nullptr;
  std::size_t weight_bytes_left_ = 0;
};

}  // namespace

InferenceProgram compile_inference(const ResnetV1& network, const VariableSource& source,
                                   int height, int width, int micro_batch) {
  return Compiler(source, micro_batch).compile(network, height, width);
}

}  // namespace narrow
