#include "model/onnx/node_export.h"

#include <array>
#include <utility>
#include <vector>

#include "graph/constants.h"
#include "model/onnx/attribute_texts.h"
#include "model/onnx/onnx_elements.h"

namespace narrow {

onnx::AttributeProto& NodeExport::add(std::string_view name,
                                      onnx::AttributeProto::AttributeType type) {
  onnx::AttributeProto& attribute = *node_.add_attribute();
  attribute.set_name(std::string(name));
  attribute.set_type(type);
  return attribute;
}

void NodeExport::set(std::string_view name, std::int64_t value) {
  add(name, onnx::AttributeProto::INT).set_i(value);
}

void NodeExport::set(std::string_view name, double value) {
  add(name, onnx::AttributeProto::FLOAT).set_f(static_cast<float>(value));
}

void NodeExport::set(std::string_view name, std::string_view value) {
  add(name, onnx::AttributeProto::STRING).set_s(std::string(value));
}

void NodeExport::set(std::string_view name, std::span<const std::int64_t> values) {
  if (values.empty()) return;
  auto& attribute = add(name, onnx::AttributeProto::INTS);
  for (const std::int64_t value : values) attribute.add_ints(value);
}

void NodeExport::set(std::string_view name, std::span<const double> values) {
  if (values.empty()) return;
  auto& attribute = add(name, onnx::AttributeProto::FLOATS);
  for (const double value : values) attribute.add_floats(static_cast<float>(value));
}

void NodeExport::set(std::string_view name, std::span<const std::string> values) {
  if (values.empty()) return;
  auto& attribute = add(name, onnx::AttributeProto::STRINGS);
  for (const std::string& value : values) attribute.add_strings(value);
}

void NodeExport::set(std::string_view name, onnx::TensorProto value) {
  *add(name, onnx::AttributeProto::TENSOR).mutable_t() = std::move(value);
}

onnx::GraphProto& NodeExport::set_graph(std::string_view name) {
  return *add(name, onnx::AttributeProto::GRAPH).mutable_g();
}

namespace {

// Operators without attributes that every opset in question has as they are here.
template <typename Operator>
void describe(const Operator& /*of*/, NodeExport& /*node*/) {}

bool is_dilated(const Window& window) {
  return std::ranges::any_of(window.dilations, [](std::int64_t by) { return by != 1; });
}

void set_window(const Window& window, NodeExport& node) {
  node.set("kernel_shape", window.kernel);
  node.set("strides", window.strides);
  if (is_dilated(window)) node.set("dilations", window.dilations);
  if (window.auto_pad == AutoPad::kNotSet) {
    node.set("pads", window.pads);
  } else {
    node.set("auto_pad", text_of(kAutoPads, window.auto_pad));
  }
}

template <typename Operator>
void describe_conv(const Operator& conv, NodeExport& node) {
  set_window(conv.window, node);
  node.set("group", conv.group);
}
void describe(const op::Conv& conv, NodeExport& node) { describe_conv(conv, node); }
void describe(const op::ConvInteger& conv, NodeExport& node) { describe_conv(conv, node); }
void describe(const op::QLinearConv& conv, NodeExport& node) { describe_conv(conv, node); }
void describe(const op::ConvTranspose& conv, NodeExport& node) {
  describe_conv(conv, node);
  node.set("output_padding", conv.output_padding);
  node.set("output_shape", conv.output_shape);
}

void describe(const op::MaxPool& pool, NodeExport& node) {
  set_window(pool.window, node);
  if (pool.ceil_mode) node.set("ceil_mode", true);
  if (pool.column_major_places) node.set("storage_order", true);
}
void describe(const op::AveragePool& pool, NodeExport& node) {
  if (is_dilated(pool.window)) node.require_opset(19);
  set_window(pool.window, node);
  if (pool.ceil_mode) node.set("ceil_mode", true);
  if (pool.count_include_pad) node.set("count_include_pad", true);
}
void describe(const op::LpPool& pool, NodeExport& node) {
  if (pool.ceil_mode || is_dilated(pool.window)) node.require_opset(18);
  set_window(pool.window, node);
  if (pool.ceil_mode) node.set("ceil_mode", true);
  node.set("p", pool.p);
}
void describe(const op::LocalResponseNormalization& norm, NodeExport& node) {
  node.set("alpha", norm.alpha);
  node.set("beta", norm.beta);
  node.set("bias", norm.bias);
  node.set("size", norm.size);
}

void describe(const op::BatchNormalization& norm, NodeExport& node) {
  node.set("epsilon", norm.epsilon);
  node.set("momentum", norm.momentum);
  if (norm.training_mode) node.set("training_mode", true);
}
void describe(const op::InstanceNormalization& norm, NodeExport& node) {
  node.set("epsilon", norm.epsilon);
}
void describe(const op::GroupNormalization& norm, NodeExport& node) {
  node.require_opset(21);
  node.set("epsilon", norm.epsilon);
  node.set("num_groups", norm.groups);
}
void describe(const op::LayerNormalization& norm, NodeExport& node) {
  node.set("axis", norm.axis);
  node.set("epsilon", norm.epsilon);
}
void describe(const op::RmsNormalization& norm, NodeExport& node) {
  node.require_opset(23);
  node.set("axis", norm.axis);
  node.set("epsilon", norm.epsilon);
}
void describe(const op::Softmax& softmax, NodeExport& node) { node.set("axis", softmax.axis); }
void describe(const op::Hardmax& hardmax, NodeExport& node) { node.set("axis", hardmax.axis); }
void describe(const op::LpNormalization& norm, NodeExport& node) {
  node.set("axis", norm.axis);
  node.set("p", norm.p);
}

void describe(const op::Unary& unary, NodeExport& node) {
  using enum op::UnaryKind;
  if (unary.kind == kBitwiseNot || unary.kind == kMish) node.require_opset(18);
}
void describe(const op::Activation& activation, NodeExport& node) {
  using enum op::ActivationKind;
  switch (activation.kind) {
    case kGelu:
    case kGeluTanh:
      node.require_opset(20);
      node.set("approximate", activation.kind == kGelu ? "none" : "tanh");
      return;
    case kShrink:
      node.set("lambd", activation.alpha);
      node.set("bias", activation.beta);
      return;
    case kSwish:
      node.require_opset(24);
      break;
    case kHardSigmoid:
      node.set("beta", activation.beta);
      break;
    case kSelu:
      node.set("gamma", activation.beta);
      break;
    case kCelu:
    case kElu:
    case kLeakyRelu:
    case kThresholdedRelu:
      break;
  }
  node.set("alpha", activation.alpha);
}
void describe(const op::Binary& binary, NodeExport& node) {
  using enum op::BinaryKind;
  switch (binary.kind) {
    case kRemainder:
      node.set("fmod", true);
      break;
    case kShiftLeft:
    case kShiftRight:
      node.set("direction", binary.kind == kShiftLeft ? "LEFT" : "RIGHT");
      break;
    case kBitwiseAnd:
    case kBitwiseOr:
    case kBitwiseXor:
      node.require_opset(18);
      break;
    default:
      break;
  }
}
void describe(const op::IsInf& is_inf, NodeExport& node) {
  node.set("detect_negative", is_inf.negative);
  node.set("detect_positive", is_inf.positive);
}

void describe(const op::Cast& cast, NodeExport& node) {
  node.require_opset(first_opset(cast.small));
  node.set("to", std::int64_t{onnx_type_of(cast.to, cast.small)});
  if (!cast.saturate) node.set("saturate", false);
  if (cast.rounding != PowerRounding::kUp) {
    node.set("round_mode", cast.rounding == PowerRounding::kDown ? "down" : "nearest");
  }
}

void describe(const op::Gemm& gemm, NodeExport& node) {
  node.set("alpha", gemm.alpha);
  node.set("beta", gemm.beta);
  node.set("transA", gemm.transpose_a);
  node.set("transB", gemm.transpose_b);
}
void describe(const op::Einsum& einsum, NodeExport& node) { node.set("equation", einsum.equation); }

void describe(const op::Flatten& flatten, NodeExport& node) { node.set("axis", flatten.axis); }
void describe(const op::Reshape& reshape, NodeExport& node) {
  if (reshape.allow_zero) node.set("allowzero", true);
}
void describe(const op::Transpose& transpose, NodeExport& node) {
  node.set("perm", transpose.order);
}
void describe(const op::Concat& concat, NodeExport& node) { node.set("axis", concat.axis); }
void describe(const op::Split& split, NodeExport& node) {
  node.set("axis", split.axis);
  if (node.has_input(1)) return;
  node.require_opset(18);
  node.set("num_outputs", split.parts);
}
void describe(const op::Pad& pad, NodeExport& node) {
  if (node.has_input(3)) node.require_opset(18);
  if (pad.mode == op::PadMode::kWrap) node.require_opset(19);
  node.set("mode", text_of(kPadModes, pad.mode));
}
void describe(const op::Gather& gather, NodeExport& node) { node.set("axis", gather.axis); }
void describe(const op::GatherNd& gather, NodeExport& node) {
  node.set("batch_dims", gather.batch_dims);
}
void describe(const op::GatherElements& gather, NodeExport& node) { node.set("axis", gather.axis); }
void set_scatter(op::ScatterKind kind, NodeExport& node) {
  if (kind == op::ScatterKind::kMax || kind == op::ScatterKind::kMin) node.require_opset(18);
  node.set("reduction", text_of(kScatterKinds, kind));
}
void describe(const op::ScatterNd& scatter, NodeExport& node) { set_scatter(scatter.kind, node); }
void describe(const op::ScatterElements& scatter, NodeExport& node) {
  node.set("axis", scatter.axis);
  set_scatter(scatter.kind, node);
}
void describe(const op::DepthToSpace& depth, NodeExport& node) {
  node.set("blocksize", depth.block);
  node.set("mode", depth.column_row_depth ? "CRD" : "DCR");
}
void describe(const op::SpaceToDepth& space, NodeExport& node) {
  node.set("blocksize", space.block);
}
void describe(const op::Trilu& trilu, NodeExport& node) { node.set("upper", trilu.upper); }
void describe(const op::ReverseSequence& reverse, NodeExport& node) {
  node.set("batch_axis", reverse.batch_axis);
  node.set("time_axis", reverse.time_axis);
}
void describe(const op::Resize& resize, NodeExport& node) {
  const bool is_new =
      resize.antialias || !resize.axes.empty() || resize.keep != op::ResizeKeep::kStretch;
  if (is_new) node.require_opset(18);
  if (resize.places == op::ResizePlaces::kHalfPixelSymmetric) node.require_opset(19);
  node.set("mode", text_of(kResizeModes, resize.mode));
  node.set("coordinate_transformation_mode", text_of(kResizePlaces, resize.places));
  node.set("nearest_mode", text_of(kResizeNearest, resize.nearest));
  if (resize.keep != op::ResizeKeep::kStretch) {
    node.set("keep_aspect_ratio_policy", text_of(kResizePolicies, resize.keep));
  }
  if (resize.antialias) node.set("antialias", true);
  node.set("exclude_outside", resize.exclude_outside);
  node.set("cubic_coeff_a", resize.cubic_coefficient);
  node.set("extrapolation_value", resize.extrapolation_value);
  node.set("axes", resize.axes);
}

void describe(const op::Reduce& reduce, NodeExport& node) {
  if (reduce.kind != op::ReduceKind::kSum) node.require_opset(18);
  node.set("keepdims", reduce.keep_dims);
  if (reduce.none_without_axes) node.set("noop_with_empty_axes", true);
}
void describe(const op::ArgReduce& reduce, NodeExport& node) {
  node.set("axis", reduce.axis);
  node.set("keepdims", reduce.keep_dims);
  node.set("select_last_index", reduce.last_of_equals);
}
void describe(const op::TopK& top, NodeExport& node) {
  node.set("axis", top.axis);
  node.set("largest", top.largest);
  node.set("sorted", top.sorted);
}
void describe(const op::CumSum& sum, NodeExport& node) {
  node.set("exclusive", sum.exclusive);
  node.set("reverse", sum.reverse);
}
void describe(const op::NonMaxSuppression& of, NodeExport& node) {
  node.set("center_point_box", of.center_point_box);
}
void describe(const op::OneHot& one_hot, NodeExport& node) { node.set("axis", one_hot.axis); }
void describe(const op::ShapeOf& shape, NodeExport& node) {
  if (shape.start != 0) node.set("start", shape.start);
  if (shape.end != INT64_MAX) node.set("end", shape.end);
}
void describe(const op::ConstantOfShape& fill, NodeExport& node) {
  if (fill.value.empty()) return;
  node.set("value", onnx_tensor("", {fill.type, {1}, fill.value}, SmallType::kNone));
}
void describe(const op::EyeLike& eye, NodeExport& node) {
  if (!eye.type_of_input) {
    node.set("dtype", std::int64_t{onnx_type_of(eye.type, SmallType::kNone)});
  }
  node.set("k", eye.diagonal);
}

void describe(const op::QuantizeLinear& quantize, NodeExport& node) {
  const bool is_of_13 = quantize.to == DType::kUInt8 || quantize.to == DType::kInt8;
  node.require_opset(quantize.small != SmallType::kNone ? first_opset(quantize.small)
                     : is_of_13                         ? 13
                                                        : 21);
  node.set("axis", quantize.axis);
  if (!quantize.saturate) node.set("saturate", false);
  if (quantize.block_size != 0) {
    node.require_opset(21);
    node.set("block_size", quantize.block_size);
  }
  const bool is_said =
      node.has_input(2) || (quantize.to == DType::kUInt8 && quantize.small == SmallType::kNone);
  if (is_said) return;
  node.require_opset(21);
  node.set("output_dtype", std::int64_t{onnx_type_of(quantize.to, quantize.small)});
}
void describe(const op::DequantizeLinear& dequantize, NodeExport& node) {
  node.set("axis", dequantize.axis);
  if (dequantize.block_size == 0) return;
  node.require_opset(21);
  node.set("block_size", dequantize.block_size);
}

void set_axes(const std::vector<op::ScanAxis>& axes, std::string_view axes_name,
              std::string_view directions_name, NodeExport& node) {
  std::vector<std::int64_t> numbers;
  std::vector<std::int64_t> directions;
  for (const op::ScanAxis& axis : axes) {
    numbers.push_back(axis.axis);
    directions.push_back(axis.reverse ? 1 : 0);
  }
  node.set(axes_name, numbers);
  node.set(directions_name, directions);
}
void describe(const op::Scan& scan, NodeExport& node) {
  node.set("num_scan_inputs", static_cast<std::int64_t>(scan.inputs.size()));
  set_axes(scan.inputs, "scan_input_axes", "scan_input_directions", node);
  set_axes(scan.outputs, "scan_output_axes", "scan_output_directions", node);
}

void describe(const op::Recurrent& recurrent, NodeExport& node) {
  std::vector<std::string> names;
  std::vector<double> alphas;
  std::vector<double> betas;
  for (const op::CellActivation& activation : recurrent.activations) {
    const CellFunctionText& text = text_of(activation.function);
    names.emplace_back(text.name);
    if (text.has_alpha) alphas.push_back(activation.alpha);
    if (text.has_beta) betas.push_back(activation.beta);
  }
  node.set("activations", names);
  node.set("activation_alpha", alphas);
  node.set("activation_beta", betas);
  if (recurrent.clip != 0) node.set("clip", recurrent.clip);
  node.set("direction", text_of(kDirections, recurrent.direction));
  node.set("hidden_size", recurrent.hidden);
  if (recurrent.couples_gates) node.set("input_forget", true);
  if (recurrent.resets_after_product) node.set("linear_before_reset", true);
  if (recurrent.batch_first) node.set("layout", true);
}

}  // namespace

std::int64_t first_opset(SmallType small) {
  switch (small) {
    case SmallType::kNone:
      return 1;
    case SmallType::kInt2:
    case SmallType::kUInt2:
      return 25;
    case SmallType::kFloat8E8M0:
      return 24;
    case SmallType::kFloat4E2M1:
      return 23;
    case SmallType::kInt4:
    case SmallType::kUInt4:
      return 21;
    default:
      return 19;
  }
}

void export_attributes(const Attributes& attributes, NodeExport& node) {
  std::visit([&](const auto& attribute) { describe(attribute, node); }, attributes);
}

}  // namespace narrow
