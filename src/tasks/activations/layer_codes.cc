#include "tasks/activations/layer_codes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/power_of_two.h"
#include "graph/operators/small_types.h"
#include "model/checkpoint_network.h"
#include "narrow/error.h"
#include "narrow/quantize_values.h"
#include "tensor/element_values.h"

namespace narrow {
namespace {

[[noreturn]] void refuse(const LinearLayer& layer, const std::string& why) {
  throw Error(ErrorCategory::kUsage, fmt::format("{}: {}", layer.weights, why));
}

void require_integers(const LinearLayer& layer, const Scheme& scheme) {
  const bool is_fixed_point =
      scheme.kind == SchemeKind::kFixedPoint && scheme.scaling == Scaling::kBinary;
  const bool has_integers =
      scheme.kind == SchemeKind::kSymmetric || scheme.kind == SchemeKind::kAffine || is_fixed_point;
  if (!has_integers) {
    refuse(layer, fmt::format("its scheme is {}, whose codes are no integers times a scale; "
                              "affine or symmetric is nearest to it",
                              to_string(scheme.kind)));
  }
  if (scheme.bits < 2 || scheme.bits > 16) {
    refuse(layer, fmt::format("{} bits, expected 2 to 16", scheme.bits));
  }
  if (scheme.granularity.kind == Granularity::Kind::kTensor) return;
  const std::size_t axis = layer.rows_first ? 0 : layer.weights_shape.size() - 1;
  const bool is_by_output = scheme.granularity.kind == Granularity::Kind::kChannel &&
                            scheme.granularity.axis == static_cast<int>(axis) &&
                            scheme.granularity.axis_count == 1;
  if (is_by_output) return;
  refuse(layer, fmt::format("an integer file has a scale for the tensor or for each output channel "
                            "(axis {})",
                            axis));
}

double scale_of(const Scheme& scheme, const BlockParams& params) {
  if (scheme.kind == SchemeKind::kFixedPoint) return std::ldexp(1.0, -params.fraction_bits);
  return params.scale;
}

// Gives codes without zero points a type. All channels have the same: signed, where one is or was
// turned around by its norm. The least code of a signed type has no opposite, and becomes the
// greatest.
void choose_type(const LinearLayer& layer, const Scheme& scheme,
                 const std::vector<BlockParams>& params, LayerCodes& codes) {
  const bool is_symmetric = scheme.kind == SchemeKind::kSymmetric;
  const bool all_signed = is_symmetric || std::ranges::all_of(params, &BlockParams::is_signed);
  const bool is_signed = is_symmetric || std::ranges::any_of(params, &BlockParams::is_signed) ||
                         std::ranges::any_of(codes.codes, [](auto code) { return code < 0; });
  // Unsigned codes need one bit more among signed ones.
  const int bits = scheme.bits + (is_signed && !all_signed ? 1 : 0);
  if (bits > 16) {
    refuse(layer, fmt::format("codes of {} bits, of which only some have a sign, expected at most "
                              "15 bits",
                              scheme.bits));
  }
  codes.type = type_of_codes(is_signed, bits);
  const std::int64_t greatest = integer_range(codes.type, SmallType::kNone)->greatest;
  for (std::int64_t& code : codes.codes) code = std::min(code, greatest);
}

// Of a batch norm: its factor for each channel. Folds it into the codes.
std::vector<double> fold_norm(const LinearLayer& layer, const CheckpointReader& tensors,
                              LayerCodes& codes) {
  const std::vector<double> gamma = layer.norm->gamma ? read_reals(tensors, *layer.norm->gamma)
                                                      : std::vector<double>(layer.out_channels, 1);
  const std::vector<double> beta = read_reals(tensors, layer.norm->beta);
  const std::vector<double> mean = read_reals(tensors, layer.norm->moving_mean);
  const std::vector<double> variance = read_reals(tensors, layer.norm->moving_variance);
  std::vector<double> slopes(layer.out_channels);
  std::vector<double> offsets(layer.out_channels);
  for (std::size_t c = 0; c < slopes.size(); ++c) {
    slopes[c] = gamma[c] / std::sqrt(variance[c] + layer.norm->epsilon);
    offsets[c] = beta[c] - slopes[c] * mean[c];
  }
  fold_into_codes(layer, slopes, offsets, codes);
  return slopes;
}

// A norm's slopes are no powers of two: where scales are to be, the products of weights and slopes
// are quantized anew, by the same scheme. The parameters of the blocks.
std::vector<BlockParams> fit_folded(const LinearLayer& layer, const Scheme& scheme,
                                    std::size_t blocks, std::span<const double> weights,
                                    std::span<const double> slopes, LayerCodes& codes) {
  const std::size_t channels = layer.out_channels / blocks;  // of a block
  std::vector<BlockParams> params;
  for (std::size_t block = 0; block < blocks; ++block) {
    std::vector<float> folded;
    for (std::size_t c = block * channels; c < (block + 1) * channels; ++c) {
      for (std::size_t i = 0; i < layer.columns; ++i) {
        folded.push_back(static_cast<float>(weights[layer.index(c, i)] * slopes[c]));
      }
    }
    params.push_back(fit(folded, scheme));
    std::vector<std::int64_t> block_codes(folded.size());
    encode(folded, scheme, params.back(), block_codes);
    std::size_t next = 0;
    for (std::size_t c = block * channels; c < (block + 1) * channels; ++c) {
      codes.scales[c] = scale_of(scheme, params.back());
      for (std::size_t i = 0; i < layer.columns; ++i) {
        codes.codes[layer.index(c, i)] = block_codes[next++];
      }
    }
  }
  return params;
}

}  // namespace

std::vector<double> read_reals(const CheckpointReader& reader, const std::string& name) {
  const Constant tensor = stored_tensor(reader, name);
  return decode_reals(tensor.type, tensor.bytes);
}

std::optional<LayerCodes> layer_codes(const LinearLayer& layer, const TensorResult* result,
                                      const CheckpointReader& tensors,
                                      std::span<const double> original) {
  if (result == nullptr || !result->quantized) return std::nullopt;
  const Scheme& scheme = result->scheme;
  require_integers(layer, scheme);
  if (result->blocks != 1 && result->blocks != layer.out_channels) {
    refuse(layer, fmt::format("{} scales, expected one or {}", result->blocks, layer.out_channels));
  }
  if (result->params.size() != result->blocks) {
    refuse(layer, fmt::format("{} scales, expected at most {}", result->blocks,
                              TensorResult::kMaxReportedBlocks));
  }
  const std::vector<double> restored = read_reals(tensors, layer.weights);
  const bool is_affine = scheme.kind == SchemeKind::kAffine;
  LayerCodes codes;
  codes.type = type_of_codes(!is_affine, scheme.bits);
  for (const BlockParams& params : result->params) {
    codes.scales.push_back(static_cast<double>(static_cast<float>(scale_of(scheme, params))));
    if (is_affine) codes.zeros.push_back(params.zero);
  }
  codes.codes.resize(restored.size());
  for (std::size_t c = 0; c < layer.out_channels; ++c) {
    const BlockParams& params = result->params[result->params.size() == 1 ? 0 : c];
    const double scale = scale_of(scheme, params);
    for (std::size_t i = 0; i < layer.columns; ++i) {
      const std::size_t at = layer.index(c, i);
      codes.codes[at] = static_cast<std::int64_t>(std::nearbyint(restored[at] / scale)) +
                        (is_affine ? params.zero : 0);
    }
  }
  if (layer.bias) codes.biases = read_reals(tensors, *layer.bias);
  std::vector<BlockParams> params = result->params;
  if (layer.norm) {
    const std::vector<double> slopes = fold_norm(layer, tensors, codes);
    if (scheme.kind == SchemeKind::kFixedPoint &&
        !std::ranges::all_of(codes.scales, is_power_of_two)) {
      const std::span<const double> weights = original.empty() ? std::span(restored) : original;
      params = fit_folded(layer, scheme, result->blocks, weights, slopes, codes);
    }
  }
  if (!is_affine) choose_type(layer, scheme, params, codes);
  return codes;
}

}  // namespace narrow
