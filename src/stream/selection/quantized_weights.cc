#include "stream/selection/quantized_weights.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace narrow {
namespace {

// Of compressed-tensors, vLLM, Transformers, DeepSeek; after the name of the codes.
constexpr std::array<std::string_view, 12> kSuffixes = {
    "_scale", "_scale_inv", "_scales", "_scale_2",       "_global_scale", "_zero_point",
    "_zeros", "_g_idx",     ".absmax", ".nested_absmax", ".quant_map",    ".nested_quant_map"};

// Of GPTQ, AWQ, MLX, LLM.int8 and others; beside one of kCodes.
constexpr std::array<std::string_view, 6> kSiblings = {"scales", "scale", "zeros",
                                                       "biases", "SCB",   "weight_format"};
// Of activations, whatever the weights beside them are.
constexpr std::array<std::string_view, 6> kActivationScales = {
    "input_scale", "output_scale", "activation_scale", "k_scale", "v_scale", "q_scale"};
constexpr std::array<std::string_view, 5> kCodes = {"weight", "qweight", "weight_packed", "kernel",
                                                    "weights"};

// Types that nothing but codes has where a weight is expected.
bool holds_codes(const TensorInfo* tensor) {
  if (tensor == nullptr || is_floating_point(tensor->dtype)) return false;
  switch (tensor->dtype) {
    case DType::kBool:
    case DType::kString:
    case DType::kComplex64:
    case DType::kComplex128:
      return false;
    default:
      return true;
  }
}

}  // namespace

bool is_float8(DType dtype) noexcept {
  return dtype == DType::kFloat8E4M3 || dtype == DType::kFloat8E5M2;
}

bool is_scale_of_codes(const TensorInfo& tensor, const TensorNames& others) {
  const std::string_view name = tensor.name;
  for (const std::string_view suffix : kSuffixes) {
    if (!name.ends_with(suffix)) continue;
    const std::string stem(name.substr(0, name.size() - suffix.size()));
    if (holds_codes(others.find(stem)) || holds_codes(others.find(stem + "_packed"))) return true;
  }
  const auto cut = name.find_last_of("/.");
  if (cut == std::string_view::npos) return false;
  const std::string_view last = name.substr(cut + 1);
  const auto is_one = [](std::int64_t size) { return size == 1; };
  if (std::ranges::find(kActivationScales, last) != kActivationScales.end() &&
      std::ranges::all_of(tensor.shape, is_one)) {
    return true;
  }
  if (std::ranges::find(kSiblings, last) == kSiblings.end()) return false;
  const std::string folder(name.substr(0, cut + 1));
  return std::ranges::any_of(kCodes, [&](std::string_view codes) {
    return holds_codes(others.find(folder + std::string(codes)));
  });
}

}  // namespace narrow
