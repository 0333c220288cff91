#include "nn/inference/conv_step.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "narrow/error.h"
#include "nn/inference/winograd_layer.h"

namespace narrow {
namespace {

using dnnl::algorithm;
using dnnl::memory;
using dnnl::prop_kind;

// The linear operator of a chain, with sizes, in oneDNN's terms.
struct ConvSizes {
  bool is_transposed = false;
  Shape x;
  Shape y;
  std::int64_t group = 1;
  memory::dims weights;  // [group,] out, in, kernel...
  memory::dims strides;
  memory::dims dilations;
  memory::dims before;
  memory::dims after;

  [[nodiscard]] std::int64_t group_inputs() const { return x[1] / group; }
  [[nodiscard]] std::int64_t group_outputs() const { return y[1] / group; }
};

void set_window(ConvSizes& sizes, const Window& window) {
  if (sizes.group > 1) sizes.weights.push_back(sizes.group);
  sizes.weights.push_back(sizes.group_outputs());
  sizes.weights.push_back(sizes.group_inputs());
  for (std::size_t axis = 0; axis < window.rank(); ++axis) {
    sizes.weights.push_back(window.kernel[axis]);
    sizes.strides.push_back(window.strides[axis]);
    sizes.dilations.push_back(window.dilations[axis] - 1);
  }
}

ConvSizes sizes_of(const op::Conv& conv, Shape x, Shape y) {
  ConvSizes sizes{false, std::move(x), std::move(y), conv.group, {}, {}, {}, {}, {}};
  set_window(sizes, conv.window);
  for (std::size_t axis = 0; axis < conv.window.rank(); ++axis) {
    const WindowPlaces places = window_places(conv.window, axis, sizes.x[axis + 2]);
    sizes.before.push_back(places.before);
    sizes.after.push_back(places.after);
  }
  return sizes;
}

ConvSizes sizes_of(const op::ConvTranspose& conv, Shape x, Shape y) {
  ConvSizes sizes{true, std::move(x), std::move(y), conv.group, {}, {}, {}, {}, {}};
  const Window& window = conv.window;
  set_window(sizes, window);
  const bool is_same =
      window.auto_pad == AutoPad::kSameUpper || window.auto_pad == AutoPad::kSameLower;
  for (std::size_t axis = 0; axis < window.rank(); ++axis) {
    const std::int64_t whole =
        window.strides[axis] * (sizes.x[axis + 2] - 1) + window.extent(axis);
    std::int64_t before = window.auto_pad == AutoPad::kNotSet ? window.pads[axis] : 0;
    if (is_same || !conv.output_shape.empty()) {
      const std::int64_t more = conv.output_padding.empty() ? 0 : conv.output_padding[axis];
      const std::int64_t cut = std::max<std::int64_t>(whole + more - sizes.y[axis + 2], 0);
      before = window.auto_pad == AutoPad::kSameUpper ? cut / 2 : cut - cut / 2;
    }
    sizes.before.push_back(before);
    sizes.after.push_back(whole - before - sizes.y[axis + 2]);
  }
  return sizes;
}

// Weights and biases with everything that multiplies or moves channels in them.
struct FoldedWeights {
  std::vector<float> weights;
  std::vector<float> biases;
};

class Folder {
 public:
  Folder(ProgramValues& values, const ConvChain& chain, const ConvSizes& sizes)
      : values_(values), chain_(chain), sizes_(sizes),
        node_(values.graph().nodes[static_cast<std::size_t>(chain.conv)]),
        scale_(static_cast<std::size_t>(sizes.y[1]), 1.0),
        shift_(static_cast<std::size_t>(sizes.y[1]), 0.0) {}

  FoldedWeights run() {
    if (node_.inputs.size() > 2 && node_.inputs[2] != kNoValue) {
      shift_ = values_.stored(node_.inputs[2])->values;
    }
    ValueId value = node_.output();
    for (const int index : chain_.affine) {
      const Node& node = values_.graph().nodes[static_cast<std::size_t>(index)];
      if (std::holds_alternative<op::BatchNormalization>(node.attributes)) {
        fold_norm(node);
      } else {
        fold_binary(node, value);
      }
      value = node.output();
    }
    FoldedWeights folded;
    const auto stored = values_.stored(node_.inputs[1]);
    folded.weights.resize(stored->values.size());
    for (std::size_t i = 0; i < folded.weights.size(); ++i) {
      folded.weights[i] = static_cast<float>(stored->values[i] * scale_[channel_of(i)]);
    }
    for (const double shift : shift_) folded.biases.push_back(static_cast<float>(shift));
    return folded;
  }

 private:
  // The output channel of a weight.
  [[nodiscard]] std::size_t channel_of(std::size_t i) const {
    const auto outputs = static_cast<std::size_t>(sizes_.group_outputs());
    const auto inputs = static_cast<std::size_t>(sizes_.group_inputs());
    std::size_t taps = 1;
    for (std::size_t axis = 2; axis < sizes_.x.size(); ++axis) {
      taps *= static_cast<std::size_t>(sizes_.weights[sizes_.weights.size() - axis + 1]);
    }
    if (!sizes_.is_transposed) return i / (taps * inputs);
    return i / (taps * outputs * inputs) * outputs + i / taps % outputs;
  }

  void fold_norm(const Node& node) {
    const auto gamma = values_.stored(node.inputs[1]);
    const auto beta = values_.stored(node.inputs[2]);
    const auto mean = values_.stored(node.inputs[3]);
    const auto variance = values_.stored(node.inputs[4]);
    const double epsilon = std::get<op::BatchNormalization>(node.attributes).epsilon;
    for (std::size_t c = 0; c < scale_.size(); ++c) {
      const double factor = gamma->values[c] / std::sqrt(variance->values[c] + epsilon);
      shift_[c] = beta->values[c] - (mean->values[c] - shift_[c]) * factor;
      scale_[c] *= factor;
    }
  }

  void fold_binary(const Node& node, ValueId value) {
    const bool is_first = node.inputs[0] != value;
    const auto other = values_.stored(node.inputs[is_first ? 0 : 1]);
    const auto* const binary = std::get_if<op::Binary>(&node.attributes);
    for (std::size_t c = 0; c < scale_.size(); ++c) {
      const double operand = other->values[other->values.size() == 1 ? 0 : c];
      if (binary == nullptr) {
        shift_[c] += operand;
      } else if (binary->kind == op::BinaryKind::kSub) {
        shift_[c] = is_first ? operand - shift_[c] : shift_[c] - operand;
        if (is_first) scale_[c] = -scale_[c];
      } else {
        const double factor = binary->kind == op::BinaryKind::kMul ? operand : 1 / operand;
        shift_[c] *= factor;
        scale_[c] *= factor;
      }
    }
  }

  ProgramValues& values_;
  const ConvChain& chain_;
  const ConvSizes& sizes_;
  const Node& node_;
  std::vector<double> scale_;
  std::vector<double> shift_;
};

void append(dnnl::post_ops& post_ops, ProgramValues& values, const ElementStep& step) {
  const auto scalar = [&](ValueId id, float otherwise) {
    return id == kNoValue ? otherwise : static_cast<float>(values.stored(id)->values.at(0));
  };
  const auto eltwise = [&](algorithm how, float alpha, float beta) {
    post_ops.append_eltwise(1.0F, how, alpha, beta);
  };
  constexpr float kMost = std::numeric_limits<float>::max();
  switch (step.kind) {
    case ElementKind::kEltwise:
      return eltwise(step.how, step.alpha, step.beta);
    case ElementKind::kClip:
      return eltwise(algorithm::eltwise_clip, scalar(step.first, -kMost),
                     scalar(step.second, kMost));
    case ElementKind::kAdd:
      return eltwise(algorithm::eltwise_linear, 1, scalar(step.first, 0));
    case ElementKind::kSubtract:
      return eltwise(algorithm::eltwise_linear, 1, -scalar(step.first, 0));
    case ElementKind::kSubtractFrom:
      return eltwise(algorithm::eltwise_linear, -1, scalar(step.first, 0));
    case ElementKind::kMultiply:
      return eltwise(algorithm::eltwise_linear, scalar(step.first, 1), 0);
    case ElementKind::kDivide:
      return eltwise(algorithm::eltwise_linear, 1 / scalar(step.first, 1), 0);
  }
}

class ConvMaker {
 public:
  ConvMaker(ProgramValues& values, const ConvChain& chain, ConvSizes sizes, int position)
      : values_(values), chain_(chain), sizes_(std::move(sizes)), position_(position),
        node_(values.graph().nodes[static_cast<std::size_t>(chain.conv)]) {}

  bool add() {
    dnnl::primitive_attr attributes = shared_primitive_attributes();
    dnnl::post_ops post_ops;
    if (chain_.addend != kNoValue) post_ops.append_sum();
    for (const ElementStep& step : chain_.elements) append(post_ops, values_, step);
    attributes.set_post_ops(post_ops);
    if (winograd_applies()) {
      add_winograd();
      return true;
    }
    if (sizes_.is_transposed) return add_with<dnnl::deconvolution_forward>(attributes);
    return add_with<dnnl::convolution_forward>(attributes);
  }

 private:
  using Convolution = dnnl::convolution_forward::primitive_desc;
  using Deconvolution = dnnl::deconvolution_forward::primitive_desc;

  [[nodiscard]] memory::desc any_weights() const {
    return float_desc(sizes_.weights, memory::format_tag::any);
  }
  [[nodiscard]] memory::desc bias_desc() const {
    return float_desc({sizes_.y[1]}, memory::format_tag::x);
  }

  void describe(Convolution& made, const memory::desc& x, const memory::desc& y,
                const dnnl::primitive_attr& attributes) const {
    made = Convolution({prop_kind::forward_inference, algorithm::convolution_direct, x,
                        any_weights(), bias_desc(), y, sizes_.strides, sizes_.dilations,
                        sizes_.before, sizes_.after},
                       attributes, values_.engine(), true);
  }
  void describe(Deconvolution& made, const memory::desc& x, const memory::desc& y,
                const dnnl::primitive_attr& attributes) const {
    made = Deconvolution({prop_kind::forward_inference, algorithm::deconvolution_direct, x,
                          any_weights(), bias_desc(), y, sizes_.strides, sizes_.dilations,
                          sizes_.before, sizes_.after},
                         attributes, values_.engine(), true);
  }

  // Layouts of x and y in the order in which they are tried.
  [[nodiscard]] std::vector<std::pair<bool, bool>> layouts() const {
    const std::int64_t block = activation_channel_block();
    const bool is_depthwise = sizes_.group_inputs() == 1 && sizes_.group_outputs() == 1;
    const bool splits_blocks = sizes_.group > 1 && !is_depthwise &&
                               (sizes_.group_inputs() % block != 0 ||
                                sizes_.group_outputs() % block != 0);
    if (splits_blocks) return {{false, false}, {true, true}};
    if (sizes_.group == 1 && sizes_.x[1] <= 3) return {{false, true}, {true, true}, {false, false}};
    return {{true, true}, {false, false}};
  }

  template <typename Primitive>
  bool add_with(const dnnl::primitive_attr& attributes) {
    using Description = typename Primitive::primitive_desc;
    Description fallback;
    std::pair<bool, bool> fallback_layout;
    for (const auto& [x_blocked, y_blocked] : layouts()) {
      Description made;
      try {
        describe(made, x_blocked ? blocked_desc(sizes_.x) : plain_desc(sizes_.x),
                 y_blocked ? blocked_desc(sizes_.y) : plain_desc(sizes_.y), attributes);
      } catch (const dnnl::error&) {
        continue;
      }
      if (!made) continue;
      if (std::string_view(made.impl_info_str()).starts_with("ref")) {
        if (!fallback) {
          fallback = made;
          fallback_layout = {x_blocked, y_blocked};
        }
        continue;
      }
      add_primitive<Primitive>(made, x_blocked, y_blocked);
      return true;
    }
    if (!fallback) return false;
    add_primitive<Primitive>(fallback, fallback_layout.first, fallback_layout.second);
    return true;
  }

  template <typename Primitive, typename Description>
  void add_primitive(const Description& primitive, bool x_blocked, bool y_blocked) {
    const HeldValue x = in_layout(node_.inputs[0], x_blocked);
    const FoldedWeights folded = Folder(values_, chain_, sizes_).run();
    const HeldValue y = result(x, y_blocked);
    ProgramBuilder& builder = values_.builder();
    builder.add_primitive(
        Primitive(primitive), primitive.scratchpad_desc(),
        {argument(x, DNNL_ARG_SRC),
         {DNNL_ARG_WEIGHTS, {}, -1,
          builder.constant(folded.weights.data(), given_weights(), primitive.weights_desc())},
         {DNNL_ARG_BIAS, {}, -1,
          builder.constant(folded.biases.data(), bias_desc(), primitive.bias_desc())},
         argument(y, DNNL_ARG_DST)});
  }

  HeldValue in_layout(ValueId id, bool blocked) {
    return blocked ? values_.blocked(id) : values_.plain(id);
  }

  // Where the result goes: into the memory of the addend when nothing needs that afterwards.
  HeldValue result(const HeldValue& x, bool blocked) {
    if (chain_.addend == kNoValue) return values_.define(chain_.output, blocked);
    const HeldValue addend = in_layout(chain_.addend, blocked);
    if (addend.buffer >= 0 && addend.buffer != x.buffer &&
        values_.is_free_after(addend, position_)) {
      values_.define_view(chain_.output, addend);
      return values_.at(chain_.output);
    }
    const StepArgument from = blocked ? argument(addend, DNNL_ARG_FROM)
                                      : values_.plain_argument(chain_.addend, DNNL_ARG_FROM);
    const HeldValue y = values_.define(chain_.output, blocked);
    const dnnl::reorder::primitive_desc copy(values_.engine(), from.desc, values_.engine(),
                                             desc_of(y), shared_primitive_attributes());
    values_.builder().add_primitive(dnnl::reorder(copy), copy.scratchpad_desc(),
                                    {from, argument(y, DNNL_ARG_TO)});
    return y;
  }

  // As ONNX has them: of a transposed convolution with the input channels first.
  [[nodiscard]] memory::desc given_weights() const {
    memory::dims strides(sizes_.weights.size(), 1);
    for (std::size_t i = strides.size() - 1; i > 0; --i) {
      strides[i - 1] = strides[i] * sizes_.weights[i];
    }
    if (sizes_.is_transposed) {
      const std::size_t out = sizes_.group > 1 ? 1 : 0;
      strides[out] = strides[out + 1];
      strides[out + 1] = strides[out] * sizes_.weights[out];
    }
    return {sizes_.weights, memory::data_type::f32, strides};
  }

  [[nodiscard]] ConvGeometry geometry() const {
    ConvGeometry g;
    g.kernel = static_cast<int>(sizes_.weights[2]);
    g.stride = static_cast<int>(sizes_.strides[0]);
    g.in_channels = static_cast<int>(sizes_.x[1]);
    g.out_channels = static_cast<int>(sizes_.y[1]);
    g.images = static_cast<int>(sizes_.x[0]);
    g.in_height = static_cast<int>(sizes_.x[2]);
    g.in_width = static_cast<int>(sizes_.x[3]);
    g.out_height = static_cast<int>(sizes_.y[2]);
    g.out_width = static_cast<int>(sizes_.y[3]);
    return g;
  }

  [[nodiscard]] bool winograd_applies() const {
    const memory::dims ones = {1, 1};
    const bool is_plain_3x3 = !sizes_.is_transposed && sizes_.group == 1 && sizes_.x.size() == 4 &&
                              sizes_.weights[2] == 3 && sizes_.weights[3] == 3 &&
                              sizes_.strides == ones && sizes_.dilations == memory::dims{0, 0} &&
                              sizes_.before == ones && sizes_.after == ones;
    const bool only_relu =
        chain_.elements.empty() ||
        (chain_.elements.size() == 1 && chain_.elements[0].kind == ElementKind::kEltwise &&
         chain_.elements[0].how == algorithm::eltwise_relu && chain_.elements[0].alpha == 0);
    return is_plain_3x3 && only_relu && chain_.addend == kNoValue && !has_avx512() &&
           winograd_pays(geometry());
  }

  void add_winograd() {
    const HeldValue x = values_.blocked(node_.inputs[0]);
    FoldedWeights oihw = Folder(values_, chain_, sizes_).run();
    FoldedConv folded{std::vector<float>(oihw.weights.size()), std::move(oihw.biases)};
    const auto inputs = static_cast<std::size_t>(sizes_.x[1]);
    const auto outputs = static_cast<std::size_t>(sizes_.y[1]);
    const std::size_t taps = folded.weights.size() / (inputs * outputs);
    for (std::size_t i = 0; i < folded.weights.size(); ++i) {
      const std::size_t in = i / taps % inputs;
      const std::size_t out = i / taps / inputs;
      folded.weights[(i % taps * inputs + in) * outputs + out] = oihw.weights[i];
    }
    const Activation from{x.buffer, desc_of(x), static_cast<int>(sizes_.x[2]),
                          static_cast<int>(sizes_.x[3]), static_cast<int>(sizes_.x[1])};
    const Activation y = add_winograd_conv(values_.builder(), geometry(), folded,
                                           !chain_.elements.empty(), from);
    values_.define_view(chain_.output,
                        {DType::kFloat32, sizes_.y, true, y.buffer, -1, nullptr});
  }

  ProgramValues& values_;
  const ConvChain& chain_;
  ConvSizes sizes_;
  int position_;
  const Node& node_;
};

}  // namespace

bool add_conv_chain(ProgramValues& values, const ConvChain& chain, int position) {
  const Node& node = values.graph().nodes[static_cast<std::size_t>(chain.conv)];
  if (!values.is_array(node.inputs[0]) || !values.is_array(chain.output)) return false;
  if (chain.addend != kNoValue && !values.is_array(chain.addend)) return false;
  const Shape x = *values.shape_of(node.inputs[0]);
  const Shape y = *values.shape_of(chain.output);
  if (!can_be_blocked(x)) return false;
  if (const auto* conv = std::get_if<op::Conv>(&node.attributes)) {
    return ConvMaker(values, chain, sizes_of(*conv, x, y), position).add();
  }
  const auto& conv = std::get<op::ConvTranspose>(node.attributes);
  return ConvMaker(values, chain, sizes_of(conv, x, y), position).add();
}

}  // namespace narrow
