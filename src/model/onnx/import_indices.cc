// Operators that take elements by their places, and those that make values out of little.
#include <fmt/format.h>

#include <array>

#include "graph/constants.h"
#include "model/onnx/attribute_texts.h"
#include "model/onnx/node_import.h"
#include "model/onnx/onnx_elements.h"

namespace narrow {
namespace {

op::ScatterKind scatter_kind(const NodeImport& node) {
  return node.choice<op::ScatterKind>("reduction", "none", kScatterKinds);
}

void import_scatter_elements(const NodeImport& node) {
  node.emit(op::ScatterElements{node.integer("axis", 0), scatter_kind(node)});
}

void import_gather(const NodeImport& node) { node.emit(op::Gather{node.integer("axis", 0)}); }

void import_constant(const NodeImport& node) {
  if (const onnx::TensorProto* const tensor = node.tensor("value")) {
    node.emit_tensor(*tensor);
  } else if (node.has("value_float")) {
    node.emit_constant(make_scalar(DType::kFloat32, node.real("value_float", 0)));
  } else if (node.has("value_int")) {
    node.emit_constant(
        make_scalar(DType::kInt64, static_cast<double>(node.integer("value_int", 0))));
  } else if (node.has("value_floats")) {
    node.emit_constant(make_constant(node.reals("value_floats")));
  } else if (node.has("value_ints")) {
    node.emit_constant(make_constant(node.integers("value_ints")));
  } else {
    node.refuse("its value is of a kind that is not computed with");
  }
}

void import_constant_of_shape(const NodeImport& node) {
  op::ConstantOfShape fill;
  if (const onnx::TensorProto* const tensor = node.tensor("value")) {
    Constant value = read_onnx_tensor(*tensor);
    if (element_count(value.shape) != 1) {
      node.refuse(fmt::format("its value is {}, expected one element", to_string(value.shape)));
    }
    fill.type = value.type;
    fill.value = std::move(value.bytes);
  }
  node.emit(std::move(fill));
}

void import_eye_like(const NodeImport& node) {
  op::EyeLike eye;
  eye.diagonal = node.integer("k", 0);
  eye.type_of_input = !node.has("dtype");
  if (!eye.type_of_input) {
    eye.type = dtype_of_onnx(static_cast<std::int32_t>(node.integer("dtype", 0)));
  }
  constexpr std::int64_t kMost = std::int64_t{1} << 40;
  if (eye.diagonal < -kMost || eye.diagonal > kMost) {
    node.refuse(fmt::format("its diagonal is {}", eye.diagonal));
  }
  node.emit(eye);
}

constexpr std::array kImporters = {
    ImporterRow{"Gather", import_gather},
    ImporterRow{
        "GatherND",
        [](const NodeImport& node) { node.emit(op::GatherNd{node.integer("batch_dims", 0)}); }},
    ImporterRow{
        "GatherElements",
        [](const NodeImport& node) { node.emit(op::GatherElements{node.integer("axis", 0)}); }},
    ImporterRow{"ScatterND",
                [](const NodeImport& node) { node.emit(op::ScatterNd{scatter_kind(node)}); }},
    ImporterRow{"ScatterElements", import_scatter_elements},
    ImporterRow{"Scatter", import_scatter_elements},
    ImporterRow{"Constant", import_constant},
    ImporterRow{"ConstantOfShape", import_constant_of_shape},
    ImporterRow{"EyeLike", import_eye_like},
    ImporterRow{"Shape",
                [](const NodeImport& node) {
                  node.emit(op::ShapeOf{node.integer("start", 0), node.integer("end", INT64_MAX)});
                }},
    ImporterRow{"Size", [](const NodeImport& node) { node.emit(op::Size{}); }},
    ImporterRow{"Range", [](const NodeImport& node) { node.emit(op::Range{}); }},
    ImporterRow{"OneHot",
                [](const NodeImport& node) { node.emit(op::OneHot{node.integer("axis", -1)}); }},
    ImporterRow{"NonZero", [](const NodeImport& node) { node.emit(op::NonZero{}); }},
};

}  // namespace

std::span<const ImporterRow> index_importers() { return kImporters; }

}  // namespace narrow
