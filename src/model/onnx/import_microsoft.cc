// Operators on codes of the domain com.microsoft, as ONNX Runtime's tools write them: the operator
// on numbers between DequantizeLinear and QuantizeLinear.
// https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
#include <array>

#include "model/onnx/node_import.h"

namespace narrow {
namespace {

// The numbers of the codes at `first`, which scale and zero point follow.
ValueId numbers_at(const NodeImport& node, std::size_t first, const char* suffix,
                   std::int64_t axis = 1) {
  return node.make(suffix, op::DequantizeLinear{axis},
                   {node.input(first), node.input(first + 1), node.input(first + 2)});
}

// The node gives codes of the numbers in the format whose scale is at `scale`. Without a zero point
// they are of the type of the first codes.
void emit_codes(const NodeImport& node, ValueId numbers, std::size_t scale) {
  op::QuantizeLinear quantize;
  std::vector<ValueId> inputs = {numbers, node.input(scale)};
  const ValueId zero = node.input(scale + 1);
  if (zero != kNoValue) {
    quantize.to = node.fact(scale + 1).type;
    quantize.small = node.small_type(scale + 1);
    inputs.push_back(zero);
  } else {
    quantize.to = node.fact(scale == 0 ? 2 : 0).type;
  }
  node.emit(quantize, std::move(inputs));
}

void import_two(const NodeImport& node, const Attributes& attributes) {
  const ValueId a = numbers_at(node, 0, "a");
  const ValueId b = numbers_at(node, 3, "b");
  emit_codes(node, node.make("numbers", attributes, {a, b}), 6);
}

void import_function(const NodeImport& node, const Attributes& attributes) {
  const ValueId x = numbers_at(node, 0, "x");
  emit_codes(node, node.make("numbers", attributes, {x}), 3);
}

void require_channels_first(const NodeImport& node) {
  if (node.integer("channels_last", 0) != 0) node.refuse("its channels come last");
}

void import_global_average_pool(const NodeImport& node) {
  require_channels_first(node);
  import_function(node, op::GlobalAveragePool{});
}

void import_qlinear_average_pool(const NodeImport& node) {
  require_channels_first(node);
  op::AveragePool pool;
  pool.window = pool_window_of(node);
  pool.ceil_mode = node.flag("ceil_mode", false);
  pool.count_include_pad = node.flag("count_include_pad", false);
  import_function(node, pool);
}

void import_leaky_relu(const NodeImport& node) {
  constexpr double kAlpha = 0.01;
  import_function(node,
                  op::Activation{op::ActivationKind::kLeakyRelu, node.real("alpha", kAlpha), 0});
}

// Scale and zero point of the result, then codes, scale and zero point of each operand.
void import_qlinear_concat(const NodeImport& node) {
  std::vector<ValueId> parts;
  for (std::size_t i = 2; i < node.inputs().size(); i += 3) {
    parts.push_back(numbers_at(node, i, "part"));
  }
  emit_codes(node, node.make("numbers", op::Concat{node.integer("axis", 0)}, std::move(parts)), 0);
}

// Without a scale of the result it gives numbers.
void import_qgemm(const NodeImport& node) {
  op::Gemm gemm;
  gemm.alpha = node.real("alpha", 1);
  gemm.transpose_a = node.flag("transA", false);
  gemm.transpose_b = node.flag("transB", false);
  std::vector<ValueId> inputs = {numbers_at(node, 0, "a"),
                                 numbers_at(node, 3, "b", gemm.transpose_b ? 0 : 1)};
  if (node.input(6) != kNoValue) {
    const ValueId unit =
        node.make("unit", op::Binary{op::BinaryKind::kMul}, {node.input(1), node.input(4)});
    inputs.push_back(node.make("c", op::DequantizeLinear{-1}, {node.input(6), unit}));
  }
  if (node.input(7) == kNoValue) {
    node.emit(gemm, std::move(inputs));
    return;
  }
  emit_codes(node, node.make("numbers", gemm, std::move(inputs)), 7);
}

constexpr std::array kImporters = {
    ImporterRow{"QGemm", import_qgemm},
    ImporterRow{"QLinearAdd", [](const NodeImport& node) { import_two(node, op::Add{}); }},
    ImporterRow{"QLinearAveragePool", import_qlinear_average_pool},
    ImporterRow{"QLinearConcat", import_qlinear_concat},
    ImporterRow{"QLinearGlobalAveragePool", import_global_average_pool},
    ImporterRow{"QLinearLeakyRelu", import_leaky_relu},
    ImporterRow{"QLinearMul",
                [](const NodeImport& node) { import_two(node, op::Binary{op::BinaryKind::kMul}); }},
    ImporterRow{
        "QLinearSigmoid",
        [](const NodeImport& node) { import_function(node, op::Unary{op::UnaryKind::kSigmoid}); }},
};

}  // namespace

std::span<const ImporterRow> microsoft_importers() { return kImporters; }

NodeImporter find_microsoft_importer(std::string_view op_type) {
  for (const ImporterRow& row : kImporters) {
    if (row.op_type == op_type) return row.import;
  }
  // The same operators as ONNX has, for more types.
  const bool is_same = op_type == "QuantizeLinear" || op_type == "DequantizeLinear";
  return is_same ? find_importer(op_type) : nullptr;
}

}  // namespace narrow
