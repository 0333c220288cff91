// A network ready to be trained: loss and gradients of a batch. What then changes the weights, an
// optimizer, is not here.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"
#include "graph/weight_source.h"
#include "narrow/batch_norm_mode.h"

namespace narrow {

// The values that the forward and backward pass use instead of a trainable weight's own, such as
// quantized ones; the gradient with respect to them is taken for that of the weight's own values
// (straight through: Bengio et al., "Estimating or Propagating Gradients Through Stochastic
// Neurons", 2013). `all` has the own values of every weight of the network. Both spans are
// row-major. Called for all kernels, then for the others; each network calls a copy of its own.
// Returns false to leave the weight as it is.
using EffectiveValues =
    std::function<bool(const Weight& weight, const WeightSource& all, std::span<const float> values,
                       std::span<float> effective)>;

// The codes that a value between operators may become, less their zero point.
struct CodeInterval {
  int least = 0;
  int greatest = 0;
};

// The scale that a trained step stands for: its magnitude, but no number that is not normal.
float scale_of_step(float step);

struct TrainingOptions {
  int batch_size = 32;
  int height = 0;  // of the images, in pixels
  int width = 0;
  BatchNormMode batch_norm = BatchNormMode::kTrain;
  std::optional<double> batch_norm_decay = {};  // absent: that of each batch norm in the graph
  double label_smoothing = 0;
  double weight_decay = 4e-5;
  double auxiliary_weight = 0.4;  // of the cross entropies of outputs after the first
  std::optional<double> dropout_keep_prob = {};  // absent: that of each Dropout in the graph
  std::uint64_t seed = 0;                        // of Dropout
  int threads = 0;                               // 0: all available cores
  // Which of the trainable weights get gradients. Empty: all of them. None at all is fine: then
  // the network only gives losses, statistics and features.
  std::function<bool(const Weight&)> is_trained;
  // Which weights have an L2 term. Empty: the kernels.
  std::function<bool(const Weight&)> is_regularized;
  // Called for every trainable weight before a forward pass when it is set.
  EffectiveValues effective_values;
  // By the weights that are scales of QuantizeLinear, narrower ranges than those of its type.
  std::map<std::string, CodeInterval, std::less<>> code_ranges = {};
};

struct StepLoss {
  double cross_entropy = 0;   // of the first output, mean over the batch
  double auxiliary = 0;       // those of the other outputs, weighted
  double regularization = 0;  // all L2 terms, those of weights that are not trained included
  double total = 0;           // the sum of the three: the loss that Slim logs
  int correct = 0;  // images whose largest logit, the first of equal ones, is their label's
};

// A weight that gets gradients: both spans are row-major, as the checkpoint has the weight, and
// stay where they are while the network lives. An optimizer changes the values in place.
struct TrainedParameter {
  Weight weight;
  std::span<float> values;
  std::span<float> gradients;
};

// A part of a trained parameter: `count` values from `first` on of parameters()[parameter].
struct ParameterPiece {
  std::size_t parameter = 0;
  std::size_t first = 0;
  std::size_t count = 0;
};
// Takes the gradients of a piece, those of the L2 terms included, in the middle of the backward
// pass while they are still in the cache. It may change the values of the piece: nothing of the
// pass needs them any more. It is called once for every piece of every trained parameter, for
// several at the same time on oneDNN's threads.
using GradientSink = std::function<void(const ParameterPiece&)>;

// What a batch normalization saw of a batch.
struct BatchStatistics {
  const std::string& name;         // of the linear operator before it, or of the batch norm itself
  const std::string& moving_mean;  // the weights that follow these statistics
  const std::string& moving_variance;
  std::span<const float> mean;      // [channels]
  std::span<const float> variance;  // [channels], the mean squared deviation (biased)
  std::int64_t count = 0;           // values of each channel: images x height x width
};
using BatchStatisticsObserver = std::function<void(const BatchStatistics&)>;

// Takes what QuantizeLinear reads for the examples of a batch; `scale` is the weight that is its
// scale.
using ValueObserver = std::function<void(const std::string& scale, std::span<const float> values)>;

// float32 throughout, sums of the loss in double. The backward pass ends at the lowest trained
// weights, and only the gradients of trained weights are computed and kept.
//
// The same calls give the same results to the bit on one machine for the same options, whatever the
// number of threads is: sums over a batch are cut by the sizes alone. Another instruction set
// (oneDNN chooses by it) or batch size changes the last bits.
//
// What can be trained: graphs of convolutions (also depthwise) and fully connected layers with
// weights as TensorFlow stores them, biases or batch norms, batch norms elsewhere, Relu, Clip from
// 0 to 6, Add, Mul by a constant, Concat of channels, LRN, Dropout, MaxPool, AveragePool and
// GlobalAveragePool, QuantizeLinear with DequantizeLinear behind it (without zero points, one
// weight as the scale of both, which may be that of others too: LearnedStep says how it is
// trained), whose outputs are made by fully connected layers or 1x1 convolutions of one pixel with
// biases. What these read are features. Labels are compared with every output; the first one's are
// the logits.
//
// The images are [batch_size, height, width, channels] as preprocessing leaves them, labels are in
// [0, classes of the first output). Not to be used from several threads at once. Every function
// throws Error(kUsage) when a span has another length, or for a label outside of the classes.
class TrainingNetwork : public WeightSource {
 public:
  // Copies the graph and the weights of `initial`.
  // Throws what check_weights and infer_shapes throw; Error(kUsage) for an option out of range;
  // Error(kUnsupported) naming a node, layer or weight that cannot be trained and why, or when
  // oneDNN cannot do the work here.
  TrainingNetwork(const Graph& graph, const WeightSource& initial, const TrainingOptions& options);
  ~TrainingNetwork() override;
  TrainingNetwork(const TrainingNetwork&) = delete;
  TrainingNetwork& operator=(const TrainingNetwork&) = delete;

  [[nodiscard]] const Graph& graph() const;
  [[nodiscard]] const TrainingOptions& options() const;

  // What Dropout drops is a function of the seed and this number, 0 at the beginning.
  void set_step(std::uint64_t step);

  // Leaves the gradients of the total loss in parameters(). With BatchNormMode::kTrain the moving
  // statistics of all layers follow as Slim's do:
  //   moving -= (moving - batch) * (1 - batch_norm_decay), the variance being the unbiased one.
  // The sink is not called when the cross entropy is not a finite number.
  StepLoss forward_backward(std::span<const float> images, std::span<const std::int32_t> labels,
                            const GradientSink& sink = {});

  // The loss alone; no weight and no gradient changes. With BatchNormMode::kTrain, `observer`
  // receives the statistics of every batch norm in the order of execution. No labels: only the
  // statistics are wanted, and the loss is 0.
  StepLoss forward_only(std::span<const float> images, std::span<const std::int32_t> labels,
                        const BatchStatisticsObserver& observer = {});

  // A forward pass in which no value is rounded to a code: shows all values that would be, those of
  // a scale in the order of execution.
  void observe_values(std::span<const float> images, const ValueObserver& observer);

  // The input of the output layer, with BatchNormMode::kFrozen, for any number of images (not only
  // batch_size): features are [count, channels]. Throws Error(kUsage) with kTrain, with several
  // outputs or with Dropout.
  void features(std::span<const float> images, std::span<float> features);
  // As forward_backward with BatchNormMode::kFrozen, for features that were computed before, of any
  // number of images. Throws Error(kUsage) with kTrain or when more than the output layer's
  // weights and biases is trained.
  StepLoss forward_backward_features(std::span<const float> features,
                                     std::span<const std::int32_t> labels,
                                     const GradientSink& sink = {});

  // In the order of Graph::weights.
  [[nodiscard]] std::span<const TrainedParameter> parameters() const;

  // Every weight of the graph, moving statistics included; values are row-major.
  [[nodiscard]] std::optional<TensorInfo> find(std::string_view name) const override;
  void read(std::string_view name, std::span<float> values) const override;
  // Sets one. Throws Error(kNotFound) when there is none of that name.
  void write(std::string_view name, std::span<const float> values);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace narrow
