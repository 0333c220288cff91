// Operators on codes, but for the convolutions.
#include <fmt/format.h>

#include <array>

#include "model/onnx/node_import.h"
#include "model/onnx/onnx_elements.h"

namespace narrow {
namespace {

// The type of the codes is that of the zero point, or an attribute, or uint8.
void import_quantize_linear(const NodeImport& node) {
  op::QuantizeLinear quantize;
  const auto type = static_cast<std::int32_t>(node.integer("output_dtype", 0));
  if (node.input(2) != kNoValue) {
    quantize.to = node.fact(2).type;
    quantize.small = node.small_type(2);
  } else if (type != 0) {
    quantize.to = dtype_of_onnx(type);
    quantize.small = small_type_of_onnx(type);
  }
  const bool is_code =
      integer_range(quantize.to, quantize.small).has_value() ||
      (quantize.small != SmallType::kNone && holder_of(quantize.small) == quantize.to);
  if (!is_code) node.refuse(fmt::format("its codes are of type {}", to_string(quantize.to)));
  const std::int64_t precision = node.integer("precision", 0);
  if (precision != 0 && precision != onnx::TensorProto::FLOAT) {
    node.refuse("it divides in another type than float32");
  }
  quantize.axis = node.integer("axis", 1);
  quantize.block_size = node.integer("block_size", 0);
  quantize.saturate = node.flag("saturate", true);
  node.emit(quantize);
}

void import_dequantize_linear(const NodeImport& node) {
  const op::DequantizeLinear dequantize = {node.integer("axis", 1), node.integer("block_size", 0)};
  const auto type = static_cast<std::int32_t>(node.integer("output_dtype", 0));
  if (type == 0 || dtype_of_onnx(type) == node.fact(1).type) {
    node.emit(dequantize);
    return;
  }
  node.emit(op::Cast{dtype_of_onnx(type)}, {node.make("values", dequantize, node.inputs())});
}

constexpr std::array kQuantizedImporters = {
    ImporterRow{"QuantizeLinear", import_quantize_linear},
    ImporterRow{"DequantizeLinear", import_dequantize_linear},
    ImporterRow{"DynamicQuantizeLinear",
                [](const NodeImport& node) { node.emit(op::DynamicQuantizeLinear{}); }},
    ImporterRow{"MatMulInteger", [](const NodeImport& node) { node.emit(op::MatMulInteger{}); }},
    ImporterRow{"QLinearMatMul", [](const NodeImport& node) { node.emit(op::QLinearMatMul{}); }},
};

}  // namespace

std::span<const ImporterRow> quantized_importers() { return kQuantizedImporters; }

}  // namespace narrow
