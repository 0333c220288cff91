#include "nn/inference/conv_step.h"

#include <limits>
#include <string_view>
#include <utility>

#include "nn/inference/conv_folding.h"
#include "nn/inference/tile_deconvolution.h"
#include "nn/inference/winograd_layer.h"

namespace narrow {
namespace {

using dnnl::algorithm;
using dnnl::memory;
using dnnl::prop_kind;

// A step with its numbers.
struct NumberedStep {
  algorithm how;
  float alpha = 0;
  float beta = 0;
};

NumberedStep with_numbers(ProgramValues& values, const ElementStep& step) {
  const auto scalar = [&](ValueId id, float otherwise) {
    return id == kNoValue ? otherwise : static_cast<float>(values.stored(id)->values.at(0));
  };
  constexpr float kMost = std::numeric_limits<float>::max();
  switch (step.kind) {
    case ElementKind::kEltwise:
      break;
    case ElementKind::kClip:
      return {algorithm::eltwise_clip, scalar(step.first, -kMost), scalar(step.second, kMost)};
    case ElementKind::kAdd:
      return {algorithm::eltwise_linear, 1, scalar(step.first, 0)};
    case ElementKind::kSubtract:
      return {algorithm::eltwise_linear, 1, -scalar(step.first, 0)};
    case ElementKind::kSubtractFrom:
      return {algorithm::eltwise_linear, -1, scalar(step.first, 0)};
    case ElementKind::kMultiply:
      return {algorithm::eltwise_linear, scalar(step.first, 1), 0};
    case ElementKind::kDivide:
      return {algorithm::eltwise_linear, 1 / scalar(step.first, 1), 0};
  }
  return {step.how, step.alpha, step.beta};
}

// Linear steps in a row become one.
void append(dnnl::post_ops& post_ops, ProgramValues& values,
            const std::vector<ElementStep>& steps) {
  std::vector<NumberedStep> joined;
  for (const ElementStep& step : steps) {
    const NumberedStep next = with_numbers(values, step);
    const bool continues = next.how == algorithm::eltwise_linear && !joined.empty() &&
                           joined.back().how == algorithm::eltwise_linear;
    if (continues) {
      joined.back().alpha *= next.alpha;
      joined.back().beta = joined.back().beta * next.alpha + next.beta;
    } else {
      joined.push_back(next);
    }
  }
  for (const NumberedStep& step : joined) {
    post_ops.append_eltwise(1.0F, step.how, step.alpha, step.beta);
  }
}

class ConvMaker {
 public:
  ConvMaker(ProgramValues& values, const ConvChain& chain, ConvSizes sizes, int position)
      : values_(values),
        chain_(chain),
        sizes_(std::move(sizes)),
        position_(position),
        node_(values.graph().nodes[static_cast<std::size_t>(chain.conv)]) {}

  bool add() {
    const dnnl::primitive_attr attributes = chain_attributes(values_, chain_);
    if (winograd_applies()) {
      if (!add_library_winograd(attributes)) add_winograd();
      return true;
    }
    if (makes_tiles(sizes_) && chain_.addend == kNoValue &&
        add_tile_deconvolution(values_, chain_, sizes_, attributes)) {
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
                const dnnl::primitive_attr& attributes,
                algorithm how = algorithm::convolution_direct) const {
    made = Convolution({prop_kind::forward_inference, how, x, any_weights(), bias_desc(), y,
                        sizes_.strides, sizes_.dilations, sizes_.before, sizes_.after},
                       attributes, values_.engine(), true);
  }
  void describe(Deconvolution& made, const memory::desc& x, const memory::desc& y,
                const dnnl::primitive_attr& attributes) const {
    made = Deconvolution(
        {prop_kind::forward_inference, algorithm::deconvolution_direct, x, any_weights(),
         bias_desc(), y, sizes_.strides, sizes_.dilations, sizes_.before, sizes_.after},
        attributes, values_.engine(), true);
  }

  // Layouts of x and y in the order in which they are tried.
  [[nodiscard]] std::vector<std::pair<bool, bool>> layouts() const {
    const std::int64_t block = activation_channel_block();
    const bool is_depthwise = sizes_.group_inputs() == 1 && sizes_.group_outputs() == 1;
    const bool splits_blocks =
        sizes_.group > 1 && !is_depthwise &&
        (sizes_.group_inputs() % block != 0 || sizes_.group_outputs() % block != 0);
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
    const FoldedWeights folded = fold_conv(values_, chain_, sizes_);
    const HeldValue y = define_chain_result(values_, chain_, position_, x, y_blocked);
    ProgramBuilder& builder = values_.builder();
    builder.add_primitive(
        Primitive(primitive), primitive.scratchpad_desc(),
        {argument(x, DNNL_ARG_SRC),
         {DNNL_ARG_WEIGHTS,
          {},
          -1,
          builder.constant(folded.weights.data(), given_weights(), primitive.weights_desc())},
         {DNNL_ARG_BIAS,
          {},
          -1,
          builder.constant(folded.biases.data(), bias_desc(), primitive.bias_desc())},
         argument(y, DNNL_ARG_DST)});
  }

  HeldValue in_layout(ValueId id, bool blocked) {
    return blocked ? values_.blocked(id) : values_.plain(id);
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
    const memory::dims zeros = {0, 0};
    const bool is_plain_3x3 = !sizes_.is_transposed && sizes_.group == 1 && sizes_.x.size() == 4 &&
                              sizes_.weights[2] == 3 && sizes_.weights[3] == 3 &&
                              sizes_.strides == ones && sizes_.dilations == zeros &&
                              sizes_.before == sizes_.after &&
                              (sizes_.before == ones || sizes_.before == zeros);
    const bool only_relu =
        chain_.elements.empty() ||
        (chain_.elements.size() == 1 && chain_.elements[0].kind == ElementKind::kEltwise &&
         chain_.elements[0].how == algorithm::eltwise_relu && chain_.elements[0].alpha == 0);
    return is_plain_3x3 && only_relu && chain_.addend == kNoValue && winograd_pays(geometry());
  }

  // oneDNN's, which has AVX-512 only: where it takes tiles of 4 x 4 and there are enough inputs to
  // keep its products busy, it is the faster one.
  bool add_library_winograd(const dnnl::primitive_attr& attributes) {
    constexpr std::int64_t kLeastInputs = 64;
    if (!has_avx512() || sizes_.x[1] < kLeastInputs) return false;
    Convolution made;
    describe(made, blocked_desc(sizes_.x), blocked_desc(sizes_.y), attributes,
             algorithm::convolution_winograd);
    if (!made || !std::string_view(made.impl_info_str()).starts_with("jit_wino_4x3")) return false;
    add_primitive<dnnl::convolution_forward>(made, true, true);
    return true;
  }

  void add_winograd() {
    const HeldValue x = values_.blocked(node_.inputs[0]);
    FoldedWeights oihw = fold_conv(values_, chain_, sizes_);
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
    const Activation y =
        add_winograd_conv(values_.builder(), geometry(), folded, !chain_.elements.empty(), from);
    values_.define_view(chain_.output, {DType::kFloat32, sizes_.y, true, y.buffer, -1, nullptr});
  }

  ProgramValues& values_;
  const ConvChain& chain_;
  ConvSizes sizes_;
  int position_;
  const Node& node_;
};

}  // namespace

dnnl::primitive_attr chain_attributes(ProgramValues& values, const ConvChain& chain) {
  dnnl::post_ops post_ops;
  if (chain.addend != kNoValue) post_ops.append_sum();
  append(post_ops, values, chain.elements);
  dnnl::primitive_attr attributes = shared_primitive_attributes();
  attributes.set_post_ops(post_ops);
  return attributes;
}

HeldValue define_chain_result(ProgramValues& values, const ConvChain& chain, int position,
                              const HeldValue& x, bool blocked) {
  if (chain.addend == kNoValue) return values.define(chain.output, blocked);
  const HeldValue addend = blocked ? values.blocked(chain.addend) : values.plain(chain.addend);
  if (addend.buffer >= 0 && addend.buffer != x.buffer && values.is_free_after(addend, position)) {
    values.define_view(chain.output, addend);
    return values.at(chain.output);
  }
  const StepArgument from = blocked ? argument(addend, DNNL_ARG_FROM)
                                    : values.plain_argument(chain.addend, DNNL_ARG_FROM);
  const HeldValue y = values.define(chain.output, blocked);
  const dnnl::reorder::primitive_desc copy(values.engine(), from.desc, values.engine(), desc_of(y),
                                           shared_primitive_attributes());
  values.builder().add_primitive(dnnl::reorder(copy), copy.scratchpad_desc(),
                                 {from, argument(y, DNNL_ARG_TO)});
  return y;
}

bool add_conv_chain(ProgramValues& values, const ConvChain& chain, int position) {
  const Node& node = values.graph().nodes[static_cast<std::size_t>(chain.conv)];
  if (!values.is_array(node.inputs[0]) || !values.is_array(chain.output)) return false;
  if (chain.addend != kNoValue && !values.is_array(chain.addend)) return false;
  const auto* const conv = std::get_if<op::Conv>(&node.attributes);
  const auto* const transposed = std::get_if<op::ConvTranspose>(&node.attributes);
  if (conv == nullptr && transposed == nullptr) return add_product_chain(values, chain, position);
  const Shape x = *values.shape_of(node.inputs[0]);
  const Shape y = *values.shape_of(chain.output);
  if (!can_be_blocked(x)) return false;
  const ConvSizes sizes = conv != nullptr ? sizes_of(*conv, x, y) : sizes_of(*transposed, x, y);
  return ConvMaker(values, chain, sizes, position).add();
}

}  // namespace narrow
