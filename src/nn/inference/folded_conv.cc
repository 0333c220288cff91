#include "nn/inference/folded_conv.h"

#include <fmt/format.h>

#include <cmath>
#include <string>

#include "narrow/error.h"

namespace narrow {
namespace {

std::vector<float> read_channels(const VariableSource& source, const std::string& name,
                                 int channels) {
  std::vector<float> values(static_cast<std::size_t>(channels));
  source.read(name, values);
  return values;
}

}  // namespace

FoldedConv fold_batch_norm(const ConvLayer& layer, const VariableSource& source) {
  FoldedConv folded;
  folded.weights.resize(element_count(layer.weights_shape()));
  source.read(layer.weights_name(), folded.weights);
  const auto gamma = read_channels(source, layer.gamma_name(), layer.out_depth);
  const auto mean = read_channels(source, layer.moving_mean_name(), layer.out_depth);
  const auto variance = read_channels(source, layer.moving_variance_name(), layer.out_depth);
  folded.biases = read_channels(source, layer.beta_name(), layer.out_depth);

  const std::size_t channels = folded.biases.size();
  std::vector<double> scale(channels);
  for (std::size_t c = 0; c < channels; ++c) {
    const double denominator = static_cast<double>(variance[c]) + kBatchNormEpsilon;
    if (!(denominator > 0)) {
      throw Error(ErrorCategory::kNumeric,
                  fmt::format("The moving variance {} has the value {} for channel {}, expected 0 "
                              "or more; leave moving statistics out of the quantization.",
                              layer.moving_variance_name(), variance[c], c));
    }
    scale[c] = static_cast<double>(gamma[c]) / std::sqrt(denominator);
    folded.biases[c] =
        static_cast<float>(static_cast<double>(folded.biases[c]) - mean[c] * scale[c]);
  }
  for (std::size_t i = 0; i < folded.weights.size(); i += channels) {
    for (std::size_t c = 0; c < channels; ++c) {
      folded.weights[i + c] = static_cast<float>(folded.weights[i + c] * scale[c]);
    }
  }
  return folded;
}

}  // namespace narrow
