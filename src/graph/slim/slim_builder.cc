#include "graph/slim/slim_builder.h"

#include <utility>

#include "graph/constants.h"

namespace narrow {
namespace {

Window window_of(const SlimConv& args) {
  const std::int64_t rows = args.padding == kFixedSame ? (args.height - 1) / 2 : 0;
  const std::int64_t columns = args.padding == kFixedSame ? (args.width - 1) / 2 : 0;
  return {{args.height, args.width},
          {args.stride, args.stride},
          {1, 1},
          {rows, columns, rows, columns},
          args.padding};
}

Window square(int size, int stride, AutoPad padding) {
  return window_of({"", 0, size, size, stride, padding});
}

std::string join(const std::string& scope, std::string_view name) {
  if (scope.empty()) return std::string(name);
  return name.empty() ? scope : scope + "/" + std::string(name);
}

}  // namespace

SlimBuilder::SlimBuilder(const SlimRequest& request, SlimStyle style)
    : scope_(request.scope), style_(style), builder_(scope_), training_(request.training) {}

Channels SlimBuilder::images() {
  return {builder_.input("images", {Dimension::free("N"), kInputChannels, Dimension::free("height"),
                                    Dimension::free("width")}),
          kInputChannels};
}

ValueId SlimBuilder::weight(std::string name, Shape shape, WeightLayout layout, WeightRole role,
                            const Initializer& initial, bool regularized) {
  initializers_.push_back(initial);
  regularized_.push_back(regularized);
  return builder_.weight({std::move(name), std::move(shape), layout, role});
}

ValueId SlimBuilder::channel_weight(std::string name, int channels, WeightRole role, float initial,
                                    bool regularized) {
  return weight(std::move(name), {channels}, WeightLayout::kAsUsed, role,
                {InitializerKind::kConstant, initial}, regularized);
}

ValueId SlimBuilder::biases(const std::string& layer, int channels, const SlimStyle& style) {
  return channel_weight(layer + "/biases", channels, WeightRole::kBias, style.biases,
                        style.decay == SlimDecay::kWeightsAndBiases);
}

Channels SlimBuilder::norm(const std::string& scope, Channels x, const SlimNorm& norm) {
  const std::string name = join(scope_, scope);
  const int n = x.count;
  const std::vector<double> ones(static_cast<std::size_t>(n), 1.0);
  const ValueId gamma = norm.scale ? channel_weight(name + "/gamma", n, WeightRole::kGamma, 1)
                                   : builder_.constant(name + "/ones", make_constant(ones));
  const ValueId beta = channel_weight(name + "/beta", n, WeightRole::kBeta, 0);
  const ValueId mean = channel_weight(name + "/moving_mean", n, WeightRole::kMovingMean, 0);
  const ValueId variance =
      channel_weight(name + "/moving_variance", n, WeightRole::kMovingVariance, 1);
  const op::BatchNormalization attributes{.epsilon = norm.epsilon, .momentum = norm.decay};
  return {builder_.add(name, attributes, {x.value, gamma, beta, mean, variance}), n};
}

Channels SlimBuilder::add(const std::string& scope, const Attributes& attributes, Channels x) {
  return {builder_.add(join(scope_, scope), attributes, {x.value}), x.count};
}

Channels SlimBuilder::activate(const std::string& scope, Channels x, SlimActivation activation) {
  if (activation == SlimActivation::kNone) return x;
  if (activation == SlimActivation::kRelu) return add(scope + "/Relu", op::Relu{}, x);
  const std::string name = join(scope_, scope) + "/Relu6";
  const ValueId least = builder_.constant(name + "/least", make_scalar(DType::kFloat32, 0));
  const ValueId greatest = builder_.constant(name + "/greatest", make_scalar(DType::kFloat32, 6));
  return {builder_.add(name, op::Clip{}, {x.value, least, greatest}), x.count};
}

Channels SlimBuilder::finish_layer(const std::string& scope, Channels y, const SlimStyle& style) {
  if (style.norm) y = norm(scope + "/BatchNorm", y, *style.norm);
  return activate(scope, y, style.activation);
}

Channels SlimBuilder::conv(const std::string& scope, Channels x, const SlimConv& args) {
  return conv(scope, x, args, style_);
}

Channels SlimBuilder::conv(const std::string& scope, Channels x, const SlimConv& args,
                           const SlimStyle& style) {
  const std::string own = join(scope, args.scope);
  const std::string name = join(scope_, own);
  Initializer initial = style.weights;
  if (args.stddev > 0) initial = {InitializerKind::kTruncatedNormal, args.stddev};
  std::vector<ValueId> inputs = {
      x.value,
      weight(name + "/weights", {args.height, args.width, x.count, args.out}, WeightLayout::kHwio,
             WeightRole::kKernel, initial, style.decay != SlimDecay::kNone)};
  if (!style.norm) inputs.push_back(biases(name, args.out, style));
  const ValueId y = builder_.add(name, op::Conv{window_of(args)}, std::move(inputs));
  return finish_layer(own, {y, args.out}, style);
}

Channels SlimBuilder::linear(const std::string& scope, Channels x, const SlimConv& args) {
  SlimStyle style = style_;
  style.norm.reset();
  style.activation = SlimActivation::kNone;
  style.biases = 0;
  return conv(scope, x, args, style);
}

Channels SlimBuilder::chain(const std::string& scope, Channels x,
                            std::initializer_list<SlimConv> convs) {
  for (const SlimConv& args : convs) x = conv(scope, x, args);
  return x;
}

// TensorFlow has [height, width, channels, multiplier]; a convolution of as many groups as there
// are channels has [channels * multiplier, 1, height, width].
Channels SlimBuilder::depthwise_product(const std::string& scope, Channels x, const SlimConv& args,
                                        int multiplier) {
  const std::string name = join(scope_, scope);
  const int out = x.count * multiplier;
  Initializer initial = style_.weights;
  if (args.stddev > 0) initial = {InitializerKind::kTruncatedNormal, args.stddev};
  const ValueId stored =
      weight(name + "/depthwise_weights", {args.height, args.width, x.count, multiplier},
             WeightLayout::kAsUsed, WeightRole::kKernel, initial, false);
  ValueId used =
      builder_.add(name + "/depthwise_weights/order", op::Transpose{{2, 3, 0, 1}}, {stored});
  if (multiplier > 1) {
    const ValueId shape = builder_.constant(
        name + "/depthwise_weights/shape",
        make_constant(std::vector<std::int64_t>{out, 1, args.height, args.width}));
    used = builder_.add(name + "/depthwise_weights/groups", op::Reshape{}, {used, shape});
  }
  return {builder_.add(name + "/depthwise", op::Conv{window_of(args), x.count}, {x.value, used}),
          out};
}

Channels SlimBuilder::depthwise(const std::string& scope, Channels x, const SlimConv& args,
                                int multiplier) {
  const std::string own = join(scope, args.scope);
  return finish_layer(own, depthwise_product(own, x, args, multiplier), style_);
}

Channels SlimBuilder::separable(const std::string& scope, Channels x, const SlimConv& args,
                                int multiplier) {
  const std::string own = join(scope, args.scope);
  const std::string name = join(scope_, own);
  const Channels y = depthwise_product(own, x, args, multiplier);
  const ValueId weights =
      weight(name + "/pointwise_weights", {1, 1, y.count, args.out}, WeightLayout::kHwio,
             WeightRole::kKernel, {InitializerKind::kTruncatedNormal, args.stddev}, false);
  const ValueId biases = channel_weight(name + "/biases", args.out, WeightRole::kBias, 0);
  const ValueId z = builder_.add(name, op::Conv{square(1, 1, kSame)}, {y.value, weights, biases});
  return activate(own, {z, args.out}, style_.activation);
}

Channels SlimBuilder::fully_connected(const std::string& scope, Channels x, int in, int out,
                                      const SlimStyle& style) {
  const std::string name = join(scope_, scope);
  const ValueId weights =
      weight(name + "/weights", {in, out}, WeightLayout::kAsUsed, WeightRole::kKernel,
             style.weights, style.decay != SlimDecay::kNone);
  const ValueId y = builder_.add(name, op::Gemm{}, {x.value, weights, biases(name, out, style)});
  return activate(scope, {y, out}, style.activation);
}

Channels SlimBuilder::max_pool(const std::string& scope, Channels x, int size, int stride,
                               AutoPad padding) {
  return add(scope, op::MaxPool{square(size, stride, padding)}, x);
}

Channels SlimBuilder::average_pool(const std::string& scope, Channels x, int size, int stride,
                                   AutoPad padding) {
  return add(scope, op::AveragePool{square(size, stride, padding)}, x);
}

Channels SlimBuilder::global_mean(const std::string& scope, Channels x) {
  return add(scope, op::GlobalAveragePool{}, x);
}

Channels SlimBuilder::dropout(const std::string& scope, Channels x, double keep_prob) {
  if (!training_) return x;
  const std::string name = join(scope_, scope);
  const ValueId ratio =
      builder_.constant(name + "/ratio", make_scalar(DType::kFloat32, 1 - keep_prob));
  return {builder_.add(name, op::Dropout{}, {x.value, ratio}), x.count};
}

Channels SlimBuilder::concat(const std::string& scope, std::initializer_list<Channels> parts) {
  std::vector<ValueId> values;
  int count = 0;
  for (const Channels& part : parts) {
    values.push_back(part.value);
    count += part.count;
  }
  return {builder_.add(join(scope_, scope) + "/concat", op::Concat{1}, std::move(values)), count};
}

Channels SlimBuilder::residual(const std::string& scope, Channels shortcut, Channels x,
                               double scale) {
  const std::string name = join(scope_, scope);
  if (scale != 1) {
    const ValueId factor = builder_.constant(name + "/scale", make_scalar(DType::kFloat32, scale));
    x.value = builder_.add(name + "/mul", op::Binary{op::BinaryKind::kMul}, {x.value, factor});
  }
  return {builder_.add(name + "/add", op::Add{}, {shortcut.value, x.value}), x.count};
}

Channels SlimBuilder::squeeze(const std::string& scope, Channels x) {
  return add(scope, op::Flatten{}, x);
}

SlimGraph SlimBuilder::finish(std::initializer_list<Channels> outputs) {
  std::vector<ValueId> values;
  for (const Channels& output : outputs) values.push_back(output.value);
  return {builder_.finish(std::move(values)), std::move(initializers_), std::move(regularized_)};
}

}  // namespace narrow
