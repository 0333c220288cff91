#include "tasks/activations/layer_codes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "narrow/error.h"
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

DType type_of(const Scheme& scheme, bool is_signed) {
  if (scheme.bits > 8) return is_signed ? DType::kInt16 : DType::kUInt16;
  return is_signed ? DType::kInt8 : DType::kUInt8;
}

void fold_norm(const LinearLayer& layer, const TensorStore& tensors, LayerCodes& codes) {
  const std::vector<double> gamma = tensors.numbers(layer.norm->gamma);
  const std::vector<double> beta = tensors.numbers(layer.norm->beta);
  const std::vector<double> mean = tensors.numbers(layer.norm->moving_mean);
  const std::vector<double> variance = tensors.numbers(layer.norm->moving_variance);
  std::vector<double> slopes(layer.out_channels);
  std::vector<double> offsets(layer.out_channels);
  for (std::size_t c = 0; c < slopes.size(); ++c) {
    slopes[c] = gamma[c] / std::sqrt(variance[c] + layer.norm->epsilon);
    offsets[c] = beta[c] - slopes[c] * mean[c];
  }
  fold_into_codes(layer, slopes, offsets, codes);
}

}  // namespace

void TensorStore::add(const TensorInfo& info) {
  order_.push_back(&entries_[info.name]);
  order_.back()->info = info;
}

void TensorStore::write(std::span<const std::byte> values) {
  while (!values.empty()) {
    Entry& entry = *order_.at(next_);
    const auto missing = static_cast<std::size_t>(entry.info.byte_size()) - entry.bytes.size();
    const std::size_t count = std::min(missing, values.size());
    entry.bytes.insert(entry.bytes.end(), values.begin(),
                       values.begin() + static_cast<std::ptrdiff_t>(count));
    values = values.subspan(count);
    if (count == missing) ++next_;
  }
}

const TensorStore::Entry& TensorStore::entry(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found != entries_.end()) return found->second;
  throw Error(ErrorCategory::kNotFound, fmt::format("there is no tensor {}", name));
}

const TensorInfo& TensorStore::info(const std::string& name) const { return entry(name).info; }

const std::vector<std::byte>& TensorStore::bytes(const std::string& name) const {
  return entry(name).bytes;
}

std::vector<double> TensorStore::numbers(const std::string& name) const {
  return decode_reals(entry(name).info.dtype, entry(name).bytes);
}

std::optional<LayerCodes> layer_codes(const LinearLayer& layer, const TensorResult* result,
                                      const TensorStore& tensors) {
  if (result == nullptr || !result->quantized) return std::nullopt;
  const Scheme& scheme = result->scheme;
  require_integers(layer, scheme);
  const bool has_all = result->params.size() == result->blocks &&
                       (result->blocks == 1 || result->blocks == layer.out_channels);
  if (!has_all) {
    refuse(layer, fmt::format("{} scales, expected one or {}", result->blocks, layer.out_channels));
  }
  const std::vector<double> restored = tensors.numbers(layer.weights);
  const bool is_affine = scheme.kind == SchemeKind::kAffine;
  const bool is_signed =
      !is_affine && (scheme.kind == SchemeKind::kSymmetric ||
                     std::ranges::any_of(result->params, &BlockParams::is_signed));
  // A fixed-point tensor of which some channels are signed has one type for all.
  const bool is_mixed = scheme.kind == SchemeKind::kFixedPoint && is_signed &&
                        !std::ranges::all_of(result->params, &BlockParams::is_signed);
  LayerCodes codes;
  Scheme stored = scheme;
  if (is_mixed) ++stored.bits;
  codes.type = type_of(stored, is_signed);
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
  if (layer.bias) codes.biases = tensors.numbers(*layer.bias);
  if (layer.norm) {
    if (is_affine && codes.zeros.size() == 1) {
      codes.zeros.assign(layer.out_channels, codes.zeros[0]);
    }
    fold_norm(layer, tensors, codes);
  }
  return codes;
}

}  // namespace narrow
