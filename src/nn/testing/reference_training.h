// Test support: the loss of a network in training, in double, by the reference operators. Gradients
// come from its differences.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "graph/layers.h"
#include "graph/testing/hashed_values.h"
#include "graph/weights.h"
#include "nn/reference/reference_network.h"
#include "nn/testing/image_planes.h"
#include "nn/training/elementwise.h"
#include "nn/training/training_network.h"
#include "nn/training/training_units.h"

namespace narrow {

inline std::vector<std::int32_t> hashed_labels(int count, int classes) {
  std::vector<std::int32_t> labels;
  for (int i = 0; i < count; ++i) {
    labels.push_back(
        static_cast<std::int32_t>(hashed_uniform(static_cast<std::uint32_t>(i)) * classes));
  }
  return labels;
}

struct ReferenceStatistics {
  std::vector<double> mean;
  std::vector<double> variance;  // biased
  double count = 0;
};

struct ReferenceLoss {
  double cross_entropy = 0;
  double auxiliary = 0;  // weighted
  double regularization = 0;
  int correct = 0;
  std::vector<std::vector<double>> features;

  [[nodiscard]] double total() const { return cross_entropy + auxiliary + regularization; }
};

class ReferenceTraining {
 public:
  ReferenceTraining(Graph graph, const Weights& weights, const TrainingOptions& options)
      : graph_(std::move(graph)),
        layers_(layers(graph_)),
        options_(options),
        weights_(reference_weights(graph_, weights)),
        values_(graph_.values.size()) {
    for (Node& node : graph_.nodes) {
      auto* const norm = std::get_if<op::BatchNormalization>(&node.attributes);
      if (norm != nullptr) norm->training_mode = options.batch_norm == BatchNormMode::kTrain;
    }
    without_nodes_ = graph_;
    without_nodes_.nodes.clear();
  }

  // Of the weight with this name, as the checkpoint has it.
  std::vector<double>& values(const std::string& name) { return weights_.at(name); }

  ReferenceLoss loss(std::span<const float> images, std::span<const std::int32_t> labels) {
    const Dimension& channels = graph_.value(graph_.inputs[0]).dimensions[1];
    update(as_planes(images, {static_cast<std::int64_t>(labels.size()), channels.size,
                              options_.height, options_.width}));
    ReferenceLoss result;
    take_losses(graph_.outputs[0], labels, result);
    for (std::size_t i = 1; i < graph_.outputs.size(); ++i) {
      ReferenceLoss other;
      take_losses(graph_.outputs[i], labels, other);
      result.auxiliary += options_.auxiliary_weight * other.cross_entropy;
    }
    if (const Layer* const output = output_layer(graph_, layers_)) {
      const std::vector<double>& features = value(output->input).values;
      const auto width = static_cast<std::ptrdiff_t>(features.size() / labels.size());
      for (auto first = features.begin(); first != features.end(); first += width) {
        result.features.emplace_back(first, first + width);
      }
    }
    for (const Weight& weight : graph_.weights) {
      if (options_.is_regularized ? !options_.is_regularized(weight)
                                  : !is_regularized(weight.role)) {
        continue;
      }
      for (const double w : weights_.at(weight.name)) {
        result.regularization += options_.weight_decay * w * w / 2;
      }
    }
    return result;
  }

  // Of the batch of the last loss, by the layer's name.
  [[nodiscard]] std::map<std::string, ReferenceStatistics> statistics() const {
    std::map<std::string, ReferenceStatistics> all;
    for (const Layer& layer : layers_) {
      if (!layer.norm) continue;
      const Node& conv = graph_.nodes[static_cast<std::size_t>(layer.first_node())];
      all[layer.name] = statistics_of(value(conv.output()));
    }
    return all;
  }

 private:
  [[nodiscard]] const ReferenceTensor& value(ValueId id) const {
    return values_[static_cast<std::size_t>(id)];
  }

  // Computes again what depends on something that is not what it was: thousands of losses differ in
  // one weight from the one before.
  void update(const ReferenceTensor& images) {
    std::vector<ReferenceTensor> given = run_reference(without_nodes_, weights_, {images});
    std::vector<bool> is_new(values_.size(), false);
    for (std::size_t id = 0; id < values_.size(); ++id) {
      const ReferenceTensor& now = given[id];
      if (now.values.empty() && now.integers.empty()) continue;
      if (now.values == values_[id].values && now.integers == values_[id].integers) continue;
      values_[id] = std::move(given[id]);
      is_new[id] = true;
    }
    for (const Node& node : graph_.nodes) {
      bool reads_new = false;
      std::vector<const ReferenceTensor*> inputs;
      for (const ValueId id : node.inputs) {
        inputs.push_back(id == kNoValue ? nullptr : &value(id));
        reads_new = reads_new || (id != kNoValue && is_new[static_cast<std::size_t>(id)]);
      }
      if (!reads_new) continue;
      ReferenceTensor& result = values_[static_cast<std::size_t>(node.output())];
      if (std::holds_alternative<op::Dropout>(node.attributes)) {
        result = dropped(node, *inputs[0]);
      } else {
        result = run_operator(node.attributes, inputs);
      }
      is_new[static_cast<std::size_t>(node.output())] = true;
    }
  }

  static ReferenceStatistics statistics_of(const ReferenceTensor& x) {
    const auto channels = static_cast<std::size_t>(x.shape[1]);
    const auto pixels = static_cast<std::size_t>(x.shape[2] * x.shape[3]);
    ReferenceStatistics result{std::vector<double>(channels), std::vector<double>(channels), 0};
    result.count = static_cast<double>(x.values.size() / channels);
    const auto channel = [&](std::size_t i) { return i / pixels % channels; };
    for (std::size_t i = 0; i < x.values.size(); ++i) result.mean[channel(i)] += x.values[i];
    for (double& mean : result.mean) mean /= result.count;
    for (std::size_t i = 0; i < x.values.size(); ++i) {
      const double deviation = x.values[i] - result.mean[channel(i)];
      result.variance[channel(i)] += deviation * deviation / result.count;
    }
    return result;
  }

  // By the mask of the first step, of values of one pixel.
  [[nodiscard]] ReferenceTensor dropped(const Node& node, const ReferenceTensor& x) const {
    ReferenceTensor y = x;
    const std::vector<float> ones(x.values.size(), 1.0F);
    std::vector<float> factors(ones.size());
    const double ratio =
        options_.dropout_keep_prob ? 1 - *options_.dropout_keep_prob : dropout_ratio(graph_, node);
    drop_values({options_.seed, node.name, ratio}, 0, ones.data(), ones.size(), factors.data());
    for (std::size_t i = 0; i < factors.size(); ++i) y.values[i] *= factors[i];
    return y;
  }

  void take_losses(ValueId output, std::span<const std::int32_t> labels,
                   ReferenceLoss& result) const {
    const std::vector<double>& logits = value(output).values;
    const std::size_t classes = logits.size() / labels.size();
    for (std::size_t i = 0; i < labels.size(); ++i) {
      take_loss(std::span(logits).subspan(i * classes, classes),
                static_cast<std::size_t>(labels[i]), result);
    }
    result.cross_entropy /= static_cast<double>(labels.size());
  }

  void take_loss(std::span<const double> logits, std::size_t label, ReferenceLoss& result) const {
    double sum = 0;
    for (const double logit : logits) sum += std::exp(logit);
    for (std::size_t k = 0; k < logits.size(); ++k) {
      const double target = options_.label_smoothing / static_cast<double>(logits.size()) +
                            (k == label ? 1 - options_.label_smoothing : 0);
      result.cross_entropy -= target * (logits[k] - std::log(sum));
    }
    const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
    result.correct += static_cast<std::size_t>(best) == label ? 1 : 0;
  }

  Graph graph_;
  std::vector<Layer> layers_;
  TrainingOptions options_;
  ReferenceWeights weights_;
  Graph without_nodes_;  // to have the weights as the operators have them
  std::vector<ReferenceTensor> values_;
};

// Expects that the gradients of a few values of every parameter are those of the loss.
inline void expect_gradients_of_the_loss(TrainingNetwork& network, ReferenceTraining& reference,
                                         std::span<const float> images,
                                         std::span<const std::int32_t> labels) {
  network.forward_backward(images, labels);
  constexpr std::size_t kSamples = 4;
  constexpr double kStep = 1e-6;
  // A bias before a batch norm has the gradient 0, in float32 a sum of what cancels.
  constexpr double kRounding = 2e-7;
  for (const TrainedParameter& parameter : network.parameters()) {
    std::vector<double>& values = reference.values(parameter.weight.name);
    const double scale =
        std::abs(*std::max_element(parameter.gradients.begin(), parameter.gradients.end(),
                                   [](float a, float b) { return std::abs(a) < std::abs(b); }));
    EXPECT_GT(scale, 0) << parameter.weight.name;
    const std::size_t stride = std::max<std::size_t>(values.size() / kSamples, 1) | 1;
    for (std::size_t i = 0; i < values.size(); i += stride) {
      const double value = values[i];
      values[i] = value + kStep;
      const ReferenceLoss above = reference.loss(images, labels);
      values[i] = value - kStep;
      const ReferenceLoss below = reference.loss(images, labels);
      values[i] = value;
      const double expected = (above.total() - below.total()) / (2 * kStep);
      EXPECT_NEAR(parameter.gradients[i], expected, 1e-3 * scale + kRounding)
          << parameter.weight.name << " element " << i;
    }
  }
}

}  // namespace narrow
