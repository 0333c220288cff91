// Operators that give elements another shape or order.
#include <fmt/format.h>

#include <array>

#include "graph/constants.h"
#include "model/onnx/attribute_texts.h"
#include "model/onnx/node_import.h"

namespace narrow {
namespace {

// The node's inputs with what an attribute of older opsets says as one of them.
std::vector<ValueId> with_input(const NodeImport& node, std::size_t index, std::string_view name) {
  std::vector<ValueId> inputs = node.inputs();
  if (!node.has(name)) return inputs;
  if (inputs.size() <= index) inputs.resize(index + 1, kNoValue);
  inputs[index] = node.constant(name, make_constant(node.integers(name)));
  return inputs;
}

void import_reshape(const NodeImport& node) {
  node.emit(op::Reshape{node.flag("allowzero", false)},
            node.opset() < 5 ? with_input(node, 1, "shape") : node.inputs());
}

template <typename Operator>
void import_axes(const NodeImport& node) {
  node.emit(Operator{}, node.opset() < 13 ? with_input(node, 1, "axes") : node.inputs());
}

void import_concat(const NodeImport& node) {
  if (node.opset() >= 4 && !node.has("axis")) node.refuse("it has no axis");
  node.emit(op::Concat{node.integer("axis", 1)});
}

void import_split(const NodeImport& node) {
  node.emit(op::Split{node.integer("axis", 0), static_cast<std::int64_t>(node.output_count())},
            node.opset() < 13 ? with_input(node, 1, "split") : node.inputs());
}

// Before opset 10 everything but x is an attribute.
void import_slice(const NodeImport& node) {
  if (node.opset() >= 10) {
    node.emit(op::Slice{});
    return;
  }
  std::vector<ValueId> inputs = {node.input(0),
                                 node.constant("starts", make_constant(node.integers("starts"))),
                                 node.constant("ends", make_constant(node.integers("ends")))};
  if (node.has("axes")) {
    inputs.push_back(node.constant("axes", make_constant(node.integers("axes"))));
  }
  node.emit(op::Slice{}, std::move(inputs));
}

void import_pad(const NodeImport& node) {
  const op::Pad pad = {node.choice<op::PadMode>("mode", "constant", kPadModes)};
  if (node.opset() >= 11) {
    node.emit(pad);
    return;
  }
  const std::string_view name = node.opset() < 2 ? "paddings" : "pads";
  const double value = node.real("value", 0);
  node.emit(pad, {node.input(0), node.constant(name, make_constant(node.integers(name))),
                  node.constant("value", make_scalar(node.fact(0).type, value))});
}

void import_tile(const NodeImport& node) {
  if (node.opset() < 6) node.refuse(fmt::format("it is of opset {}, expected 6", node.opset()));
  node.emit(op::Tile{});
}

void import_depth_to_space(const NodeImport& node) {
  const std::string mode = node.text("mode", "DCR");
  if (mode != "DCR" && mode != "CRD") node.refuse(fmt::format("its mode is '{}'", mode));
  node.emit(op::DepthToSpace{node.integer("blocksize", 0), mode == "CRD"});
}

// Upsample, and Resize of opset 10.
void import_old_resize(const NodeImport& node, ValueId scales) {
  op::Resize resize;
  resize.mode = node.text("mode", "nearest") == "bilinear"
                    ? op::ResizeMode::kLinear
                    : node.choice<op::ResizeMode>("mode", "nearest", kResizeModes);
  resize.places = op::ResizePlaces::kAsymmetric;
  resize.nearest = op::ResizeNearest::kFloor;
  node.emit(resize, {node.input(0), kNoValue, scales});
}

void import_resize(const NodeImport& node) {
  if (node.opset() < 11) {
    import_old_resize(node, node.input(1));
    return;
  }
  op::Resize resize;
  resize.mode = node.choice<op::ResizeMode>("mode", "nearest", kResizeModes);
  resize.places =
      node.choice<op::ResizePlaces>("coordinate_transformation_mode", "half_pixel", kResizePlaces);
  resize.nearest =
      node.choice<op::ResizeNearest>("nearest_mode", "round_prefer_floor", kResizeNearest);
  resize.keep = node.choice<op::ResizeKeep>("keep_aspect_ratio_policy", "stretch", kResizePolicies);
  resize.antialias = node.flag("antialias", false);
  resize.exclude_outside = node.flag("exclude_outside", false);
  resize.cubic_coefficient = node.real("cubic_coeff_a", -0.75);
  resize.extrapolation_value = node.real("extrapolation_value", 0);
  resize.axes = node.integers("axes");
  node.emit(std::move(resize));
}

void import_upsample(const NodeImport& node) {
  if (node.opset() >= 9) {
    import_old_resize(node, node.input(1));
    return;
  }
  std::vector<double> scales = node.reals("scales");
  if (scales.empty()) scales = {1, 1, node.real("height_scale", 1), node.real("width_scale", 1)};

  import_old_resize(node, node.constant("scales", make_constant(scales)));
}

constexpr std::array kImporters = {
    ImporterRow{"Identity", [](const NodeImport& node) { node.emit(op::Identity{}); }},
    ImporterRow{"Flatten",
                [](const NodeImport& node) { node.emit(op::Flatten{node.integer("axis", 1)}); }},
    ImporterRow{"Reshape", import_reshape},
    ImporterRow{"Squeeze", import_axes<op::Squeeze>},
    ImporterRow{"Unsqueeze", import_axes<op::Unsqueeze>},
    ImporterRow{"Transpose",
                [](const NodeImport& node) { node.emit(op::Transpose{node.integers("perm")}); }},
    ImporterRow{"Concat", import_concat},
    ImporterRow{"Split", import_split},
    ImporterRow{"Slice", import_slice},
    ImporterRow{"Pad", import_pad},
    ImporterRow{"Expand", [](const NodeImport& node) { node.emit(op::Expand{}); }},
    ImporterRow{"Tile", import_tile},
    ImporterRow{"DepthToSpace", import_depth_to_space},
    ImporterRow{
        "SpaceToDepth",
        [](const NodeImport& node) { node.emit(op::SpaceToDepth{node.integer("blocksize", 0)}); }},
    ImporterRow{"Trilu",
                [](const NodeImport& node) { node.emit(op::Trilu{node.flag("upper", true)}); }},
    ImporterRow{"ReverseSequence",
                [](const NodeImport& node) {
                  node.emit(op::ReverseSequence{node.integer("batch_axis", 1),
                                                node.integer("time_axis", 0)});
                }},
    ImporterRow{"Resize", import_resize},
    ImporterRow{"Upsample", import_upsample},
};

}  // namespace

std::span<const ImporterRow> movement_importers() { return kImporters; }

}  // namespace narrow
