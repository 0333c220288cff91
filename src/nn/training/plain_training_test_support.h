// Test support: the loss of a network in training, in double and by definition. Gradients come from
// its differences.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "nn/flat_variables.h"
#include "nn/hashed_values.h"
#include "nn/plain_layers_test_support.h"
#include "nn/training/training_network.h"

namespace narrow {

inline std::vector<std::int32_t> hashed_labels(int count, int classes) {
  std::vector<std::int32_t> labels;
  for (int i = 0; i < count; ++i) {
    labels.push_back(
        static_cast<std::int32_t>(hashed_uniform(static_cast<std::uint32_t>(i)) * classes));
  }
  return labels;
}

struct PlainStatistics {
  std::vector<double> mean;
  std::vector<double> variance;  // biased
  double count = 0;
};

struct PlainLoss {
  double cross_entropy = 0;
  double regularization = 0;
  int correct = 0;
  std::vector<std::vector<double>> features;
  std::map<std::string, PlainStatistics> statistics;  // of the batch, by the layer's name
};

class PlainTraining {
 public:
  PlainTraining(const ResnetV1& network, const FlatVariables& variables,
                const TrainingOptions& options)
      : network_(network), options_(options) {
    for (const ModelVariable& variable : network.variables()) {
      const std::span<const float> values = variables.values(variable.name);
      values_[variable.name].assign(values.begin(), values.end());
    }
  }

  std::vector<double>& values(const std::string& name) { return values_.at(name); }

  PlainLoss loss(std::span<const float> images, std::span<const std::int32_t> labels) {
    result_ = {};
    std::vector<Image> x;
    const std::size_t floats = static_cast<std::size_t>(options_.height) * options_.width * 3;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      x.emplace_back(options_.height, options_.width, 3);
      std::copy_n(images.begin() + static_cast<std::ptrdiff_t>(i * floats), floats,
                  x.back().values.begin());
    }
    x = conv_layer(x, network_.conv1);
    for (Image& image : x) image = max_pool_3x3_stride_2(image);
    for (const BottleneckUnit& unit : network_.units) x = residual(x, unit);
    for (std::size_t i = 0; i < labels.size(); ++i) {
      take_loss(x[i], static_cast<std::size_t>(labels[i]));
    }
    result_.cross_entropy /= static_cast<double>(labels.size());
    for (const ModelVariable& variable : network_.variables()) {
      if (!is_regularized(variable.kind)) continue;
      for (const double w : values_.at(variable.name)) {
        result_.regularization += options_.weight_decay * w * w / 2;
      }
    }
    return result_;
  }

 private:
  std::vector<Image> conv_layer(const std::vector<Image>& x, const ConvLayer& layer) {
    std::vector<Image> y;
    for (const Image& image : x) {
      y.push_back(conv2d_same(image, values_.at(layer.weights_name()), layer.kernel, layer.stride,
                              layer.out_depth));
    }
    const auto depth = static_cast<std::size_t>(layer.out_depth);
    const PlainStatistics statistics = take_statistics(y, depth);
    result_.statistics[layer.name] = statistics;
    const bool batch = options_.batch_norm == BatchNormMode::kTrain;
    const std::vector<double>& mean =
        batch ? statistics.mean : values_.at(layer.moving_mean_name());
    const std::vector<double>& variance =
        batch ? statistics.variance : values_.at(layer.moving_variance_name());
    const std::vector<double>& gamma = values_.at(layer.gamma_name());
    const std::vector<double>& beta = values_.at(layer.beta_name());
    for (Image& image : y) {
      for (std::size_t i = 0; i < image.values.size(); ++i) {
        const std::size_t c = i % depth;
        double& value = image.values[i];
        value = gamma[c] * (value - mean[c]) / std::sqrt(variance[c] + kBatchNormEpsilon) + beta[c];
        if (layer.relu) value = std::max(value, 0.0);
      }
    }
    return y;
  }

  static PlainStatistics take_statistics(const std::vector<Image>& x, std::size_t depth) {
    PlainStatistics result{std::vector<double>(depth), std::vector<double>(depth), 0};
    for (const Image& image : x) {
      result.count += static_cast<double>(image.values.size() / depth);
      for (std::size_t i = 0; i < image.values.size(); ++i)
        result.mean[i % depth] += image.values[i];
    }
    for (double& mean : result.mean) mean /= result.count;
    for (const Image& image : x) {
      for (std::size_t i = 0; i < image.values.size(); ++i) {
        const double deviation = image.values[i] - result.mean[i % depth];
        result.variance[i % depth] += deviation * deviation / result.count;
      }
    }
    return result;
  }

  std::vector<Image> residual(const std::vector<Image>& x, const BottleneckUnit& unit) {
    std::vector<Image> shortcut = unit.shortcut ? conv_layer(x, *unit.shortcut) : x;
    std::vector<Image> y =
        conv_layer(conv_layer(conv_layer(x, unit.conv1), unit.conv2), unit.conv3);
    for (std::size_t i = 0; i < y.size(); ++i) {
      for (int oy = 0; oy < y[i].height; ++oy) {
        for (int ox = 0; ox < y[i].width; ++ox) {
          for (int c = 0; c < y[i].depth; ++c) {
            y[i].at(oy, ox, c) = std::max(
                y[i].at(oy, ox, c) + shortcut[i].at(oy * unit.stride, ox * unit.stride, c), 0.0);
          }
        }
      }
    }
    return y;
  }

  void take_loss(const Image& x, std::size_t label) {
    const std::vector<double>& weights = values_.at(network_.logits_name() + "/weights");
    std::vector<double> logits = values_.at(network_.logits_name() + "/biases");
    std::vector<double> features(static_cast<std::size_t>(x.depth));
    for (std::size_t i = 0; i < x.values.size(); ++i) {
      features[i % features.size()] += x.values[i] / (x.height * x.width);
    }
    for (std::size_t c = 0; c < features.size(); ++c) {
      for (std::size_t k = 0; k < logits.size(); ++k) {
        logits[k] += features[c] * weights[c * logits.size() + k];
      }
    }
    double sum = 0;
    for (const double logit : logits) sum += std::exp(logit);
    for (std::size_t k = 0; k < logits.size(); ++k) {
      const double target = options_.label_smoothing / static_cast<double>(logits.size()) +
                            (k == label ? 1 - options_.label_smoothing : 0);
      result_.cross_entropy -= target * (logits[k] - std::log(sum));
    }
    const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
    result_.correct += static_cast<std::size_t>(best) == label ? 1 : 0;
    result_.features.push_back(std::move(features));
  }

  ResnetV1 network_;
  TrainingOptions options_;
  std::map<std::string, std::vector<double>> values_;
  PlainLoss result_;
};

}  // namespace narrow
