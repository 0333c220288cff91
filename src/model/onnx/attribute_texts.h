// The words of ONNX for enumerators, in the order of these: for the import and the export.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "graph/attributes.h"

namespace narrow {

inline constexpr std::array<std::string_view, 4> kAutoPads = {"NOTSET", "SAME_UPPER", "SAME_LOWER",
                                                              "VALID"};
inline constexpr std::array<std::string_view, 4> kPadModes = {"constant", "reflect", "edge",
                                                              "wrap"};
inline constexpr std::array<std::string_view, 5> kScatterKinds = {"none", "add", "mul", "max",
                                                                  "min"};
inline constexpr std::array<std::string_view, 7> kResizePlaces = {
    "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners",
    "asymmetric", "tf_half_pixel_for_nn", "tf_crop_and_resize"};
inline constexpr std::array<std::string_view, 4> kResizeNearest = {
    "round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
inline constexpr std::array<std::string_view, 3> kResizeModes = {"nearest", "linear", "cubic"};
inline constexpr std::array<std::string_view, 3> kResizePolicies = {"stretch", "not_larger",
                                                                    "not_smaller"};
inline constexpr std::array<std::string_view, 3> kDirections = {"forward", "reverse",
                                                                "bidirectional"};

template <typename Enumeration, std::size_t kCount>
constexpr std::string_view text_of(const std::array<std::string_view, kCount>& texts,
                                   Enumeration value) {
  return texts[static_cast<std::size_t>(value)];
}

// A function of a recurrent operator, with the parameters that it has unless a node says others.
struct CellFunctionText {
  std::string_view name;
  op::CellActivation activation;
  bool has_alpha = false;
  bool has_beta = false;
};
inline constexpr std::array kCellFunctions = std::to_array<CellFunctionText>({
    {"Affine", {op::CellFunction::kAffine, 1, 0}, true, true},
    {"Elu", {op::CellFunction::kElu, 1, 0}, true, false},
    {"HardSigmoid", {op::CellFunction::kHardSigmoid, 0.2, 0.5}, true, true},
    {"LeakyRelu", {op::CellFunction::kLeakyRelu, 0.01, 0}, true, false},
    {"Relu", {op::CellFunction::kRelu, 0, 0}, false, false},
    {"ScaledTanh", {op::CellFunction::kScaledTanh, 1, 1}, true, true},
    {"Sigmoid", {op::CellFunction::kSigmoid, 0, 0}, false, false},
    {"Softplus", {op::CellFunction::kSoftplus, 0, 0}, false, false},
    {"Softsign", {op::CellFunction::kSoftsign, 0, 0}, false, false},
    {"Tanh", {op::CellFunction::kTanh, 0, 0}, false, false},
    {"ThresholdedRelu", {op::CellFunction::kThresholdedRelu, 1, 0}, true, false},
});

inline const CellFunctionText& text_of(op::CellFunction function) {
  return kCellFunctions[static_cast<std::size_t>(function)];
}

}  // namespace narrow
