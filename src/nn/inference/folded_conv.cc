#include "nn/inference/folded_conv.h"

#include <fmt/format.h>

#include <cmath>
#include <string>

#include "narrow/error.h"

namespace narrow {
namespace {

std::vector<float> read_channels(const WeightSource& source, const std::string& name,
                                 int channels) {
  std::vector<float> values(static_cast<std::size_t>(channels));
  source.read(name, values);
  return values;
}

}  // namespace

FoldedConv fold_batch_norm(const Layer& layer, const WeightSource& source) {
  FoldedConv folded;
  folded.weights.resize(element_count(layer.weights_shape));
  source.read(layer.weights, folded.weights);
  folded.biases.resize(static_cast<std::size_t>(layer.out_channels));
  if (layer.bias) source.read(*layer.bias, folded.biases);
  if (!layer.norm) return folded;
  const auto gamma = read_channels(source, layer.norm->gamma, layer.out_channels);
  const auto beta = read_channels(source, layer.norm->beta, layer.out_channels);
  const auto mean = read_channels(source, layer.norm->moving_mean, layer.out_channels);
  const auto variance = read_channels(source, layer.norm->moving_variance, layer.out_channels);

  const std::size_t channels = folded.biases.size();
  std::vector<double> scale(channels);
  for (std::size_t c = 0; c < channels; ++c) {
    const double denominator = static_cast<double>(variance[c]) + layer.norm->epsilon;
    if (!(denominator > 0)) {
      throw Error(ErrorCategory::kNumeric,
                  fmt::format("The moving variance {} has the value {} for channel {}, expected 0 "
                              "or more; leave moving statistics out of the quantization.",
                              layer.norm->moving_variance, variance[c], c));
    }
    scale[c] = static_cast<double>(gamma[c]) / std::sqrt(denominator);
    const double centre = static_cast<double>(mean[c]) - folded.biases[c];
    folded.biases[c] = static_cast<float>(static_cast<double>(beta[c]) - centre * scale[c]);
  }
  for (std::size_t i = 0; i < folded.weights.size(); i += channels) {
    for (std::size_t c = 0; c < channels; ++c) {
      folded.weights[i + c] = static_cast<float>(folded.weights[i + c] * scale[c]);
    }
  }
  return folded;
}

}  // namespace narrow
