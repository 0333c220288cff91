// What TF-Slim's layers are in a graph: tf_slim/layers/layers.py, with the names of their
// variables (https://github.com/google-research/tf-slim).
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph_builder.h"
#include "graph/slim/slim_families.h"
#include "graph/slim/slim_graph.h"

namespace narrow {

constexpr int kInputChannels = 3;  // of the images

// A value with its number of channels.
struct Channels {
  ValueId value = kNoValue;
  int count = 0;
};

// TensorFlow's paddings, and Slim's conv2d_same: (kernel - 1) / 2 zeros on every side.
constexpr AutoPad kSame = AutoPad::kSameUpper;
constexpr AutoPad kValid = AutoPad::kValid;
constexpr AutoPad kFixedSame = AutoPad::kNotSet;

// What an arg_scope regularizes.
enum class SlimDecay : std::uint8_t { kNone, kWeights, kWeightsAndBiases };

enum class SlimActivation : std::uint8_t { kNone, kRelu, kRelu6 };

struct SlimNorm {
  double epsilon = 0.001;
  double decay = 0.999;
  bool scale = false;  // whether there is a gamma
};

// What an arg_scope says of the convolutions and fully connected layers in it.
struct SlimStyle {
  std::optional<SlimNorm> norm = {};  // in place of biases
  SlimActivation activation = SlimActivation::kRelu;
  Initializer weights = {InitializerKind::kXavier};
  float biases = 0;  // before training
  SlimDecay decay = SlimDecay::kWeights;
};

// The arguments of a conv2d.
struct SlimConv {
  std::string_view scope;
  int out = 0;
  int height = 1;  // of the kernel
  int width = 1;
  int stride = 1;
  AutoPad padding = kSame;
  double stddev = 0;  // of the truncated normal distribution it starts with; 0: as the style says
};

class SlimBuilder {
 public:
  SlimBuilder(const SlimRequest& request, SlimStyle style);

  // [N, 3, height, width], named "images".
  Channels images();

  // Every layer is named SCOPE/NAME of the network's, block's and its own scope. A convolution with
  // the style's normalization and activation, or with those of another style.
  Channels conv(const std::string& scope, Channels x, const SlimConv& args);
  Channels conv(const std::string& scope, Channels x, const SlimConv& args, const SlimStyle& style);
  // With biases, and nothing after it.
  Channels linear(const std::string& scope, Channels x, const SlimConv& args);
  // One after the other.
  Channels chain(const std::string& scope, Channels x, std::initializer_list<SlimConv> convs);
  // `multiplier` outputs of every channel, with no product over channels; args.out is not used. No
  // arg_scope regularizes its weights.
  Channels depthwise(const std::string& scope, Channels x, const SlimConv& args, int multiplier);
  // A depthwise convolution without activation, then one over channels with the layer's biases; no
  // arg_scope regularizes either.
  Channels separable(const std::string& scope, Channels x, const SlimConv& args, int multiplier);
  // Of all elements of an example, in TensorFlow's order: rows, columns, channels. `in` is how
  // many.
  Channels fully_connected(const std::string& scope, Channels x, int in, int out,
                           const SlimStyle& style);

  Channels norm(const std::string& scope, Channels x, const SlimNorm& norm);
  Channels activate(const std::string& scope, Channels x, SlimActivation activation);
  Channels max_pool(const std::string& scope, Channels x, int size, int stride, AutoPad padding);
  // Padding does not count.
  Channels average_pool(const std::string& scope, Channels x, int size, int stride,
                        AutoPad padding);
  Channels global_mean(const std::string& scope, Channels x);
  // Where the network is trained; elsewhere it is x.
  Channels dropout(const std::string& scope, Channels x, double keep_prob);
  Channels concat(const std::string& scope, std::initializer_list<Channels> parts);
  // shortcut + scale * x
  Channels residual(const std::string& scope, Channels shortcut, Channels x, double scale = 1);
  // Any other node with one input and as many channels.
  Channels add(const std::string& scope, const Attributes& attributes, Channels x);
  // Of one pixel: [N, channels].
  Channels squeeze(const std::string& scope, Channels x);

  [[nodiscard]] const SlimStyle& style() const { return style_; }
  // Outputs: the logits, and possibly those of an auxiliary head.
  SlimGraph finish(std::initializer_list<Channels> outputs);

 private:
  ValueId weight(std::string name, Shape shape, WeightLayout layout, WeightRole role,
                 const Initializer& initial, bool regularized);
  ValueId channel_weight(std::string name, int channels, WeightRole role, float initial,
                         bool regularized = false);
  ValueId biases(const std::string& layer, int channels, const SlimStyle& style);
  Channels finish_layer(const std::string& scope, Channels y, const SlimStyle& style);
  Channels depthwise_product(const std::string& scope, Channels x, const SlimConv& args,
                             int multiplier);

  std::string scope_;
  SlimStyle style_;
  GraphBuilder builder_;
  bool training_;
  std::vector<Initializer> initializers_;
  std::vector<bool> regularized_;
};

}  // namespace narrow
