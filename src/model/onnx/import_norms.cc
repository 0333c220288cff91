// Normalizations and products of matrices.
#include <fmt/format.h>

#include <array>

#include "graph/constants.h"
#include "model/onnx/node_import.h"

namespace narrow {
namespace {

void import_batch_normalization(const NodeImport& node) {
  const std::int64_t opset = node.opset();
  if (opset < 9 && !node.flag("spatial", true)) {
    node.refuse("statistics of each pixel are not computed");
  }
  // Before opset 7 an attribute tells training; from then to 13 further outputs do.
  const bool trains = opset < 7    ? !node.flag("is_test", false) && node.has_output(1)
                      : opset < 14 ? node.has_output(1)
                                   : node.flag("training_mode", false);
  if (trains && opset < 14) node.refuse(fmt::format("training of opset {} is not computed", opset));
  node.set_role(1, WeightRole::kGamma);
  node.set_role(2, WeightRole::kBeta);
  node.set_role(3, WeightRole::kMovingMean);
  node.set_role(4, WeightRole::kMovingVariance);
  node.emit(op::BatchNormalization{node.real("epsilon", 1e-5), node.real("momentum", 0.9), trains});
}

void set_norm_roles(const NodeImport& node) {
  node.set_role(1, WeightRole::kGamma);
  node.set_role(2, WeightRole::kBeta);
}

void import_instance_normalization(const NodeImport& node) {
  set_norm_roles(node);
  node.emit(op::InstanceNormalization{node.real("epsilon", 1e-5)});
}

// Before opset 21 scale and bias are one a group.
void import_group_normalization(const NodeImport& node) {
  const op::GroupNormalization norm = {node.integer("num_groups", 0), node.real("epsilon", 1e-5)};
  if (node.opset() >= 21) {
    set_norm_roles(node);
    node.emit(norm);
    return;
  }
  if (node.rank(0) < 2) node.refuse("its input has no channels");
  const Dimension& channels = node.fact(0).dimensions[1];
  if (channels.is_free() || norm.groups < 1 || channels.size % norm.groups != 0) {
    node.refuse(fmt::format("{} groups do not divide its channels", norm.groups));
  }
  const std::int64_t in_group = channels.size / norm.groups;
  std::vector<ValueId> inputs = {node.input(0)};
  const ValueId last = node.constant("last", make_constant(std::vector<std::int64_t>{1}));
  const ValueId shape =
      node.constant("shape", make_constant(std::vector<std::int64_t>{norm.groups, in_group}));
  const ValueId flat = node.constant("flat", make_constant(std::vector<std::int64_t>{-1}));
  for (const std::size_t i : {1, 2}) {
    const ValueId column = node.make("column", op::Unsqueeze{}, {node.input(i), last});
    const ValueId all = node.make("channels", op::Expand{}, {column, shape});
    inputs.push_back(node.make("parameters", op::Reshape{}, {all, flat}));
  }
  node.emit(norm, std::move(inputs));
}

void import_layer_normalization(const NodeImport& node) {
  set_norm_roles(node);
  node.emit(op::LayerNormalization{node.integer("axis", -1), node.real("epsilon", 1e-5)});
}

void import_rms_normalization(const NodeImport& node) {
  node.set_role(1, WeightRole::kGamma);
  node.emit(op::RmsNormalization{node.integer("axis", -1), node.real("epsilon", 1e-5)});
}

// Before opset 13 the axes from one on counted as a single one.
template <typename Make>
void import_softmax(const NodeImport& node, const Make& make) {
  const std::int64_t axis = node.integer("axis", node.opset() < 13 ? 1 : -1);
  const auto rank = static_cast<std::int64_t>(node.rank(0));
  if (node.opset() >= 13 || axis == rank - 1 || axis == -1) {
    node.emit(make(axis));
    return;
  }
  const ValueId shape = node.make("shape", op::ShapeOf{}, {node.input(0)});
  const ValueId flat = node.make("flat", op::Flatten{axis}, {node.input(0)});
  const ValueId result = node.make("rows", make(std::int64_t{-1}), {flat});
  node.emit(op::Reshape{}, {result, shape});
}

void import_lp_normalization(const NodeImport& node) {
  node.emit(op::LpNormalization{node.integer("axis", -1), node.integer("p", 2)});
}

void import_mat_mul(const NodeImport& node) {
  node.set_role(0, WeightRole::kKernel);
  node.set_role(1, WeightRole::kKernel);
  node.emit(op::MatMul{});
}

void import_gemm(const NodeImport& node) {
  node.set_role(0, WeightRole::kKernel);
  node.set_role(1, WeightRole::kKernel);
  node.set_role(2, WeightRole::kBias);
  node.emit(op::Gemm{node.real("alpha", 1), node.real("beta", 1), node.flag("transA", false),
                     node.flag("transB", false)});
}

// x -> (x - mean) / deviation over some axes.
void import_mean_variance_normalization(const NodeImport& node) {
  std::vector<std::int64_t> axes = node.integers("axes");
  if (axes.empty()) axes = {0, 2, 3};
  const DType type = node.fact(0).type;
  const ValueId over = node.constant("axes", make_constant(axes));
  const ValueId mean = node.make("mean", op::Reduce{op::ReduceKind::kMean}, {node.input(0), over});
  const ValueId centred =
      node.make("centred", op::Binary{op::BinaryKind::kSub}, {node.input(0), mean});
  const ValueId squares =
      node.make("squares", op::Binary{op::BinaryKind::kMul}, {centred, centred});
  const ValueId variance =
      node.make("variance", op::Reduce{op::ReduceKind::kMean}, {squares, over});
  const ValueId root = node.make("root", op::Unary{op::UnaryKind::kSqrt}, {variance});
  const ValueId little = node.constant("epsilon", make_scalar(type, 1e-9));
  const ValueId deviation = node.make("deviation", op::Add{}, {root, little});
  node.emit(op::Binary{op::BinaryKind::kDiv}, {centred, deviation});
}

constexpr std::array kNormsImporters = {
    ImporterRow{"BatchNormalization", import_batch_normalization},
    ImporterRow{"InstanceNormalization", import_instance_normalization},
    ImporterRow{"GroupNormalization", import_group_normalization},
    ImporterRow{"LayerNormalization", import_layer_normalization},
    ImporterRow{"RMSNormalization", import_rms_normalization},
    ImporterRow{"LpNormalization", import_lp_normalization},
    ImporterRow{"MeanVarianceNormalization", import_mean_variance_normalization},
    ImporterRow{"Softmax",
                [](const NodeImport& node) {
                  import_softmax(node, [](std::int64_t axis) { return op::Softmax{axis, false}; });
                }},
    ImporterRow{"LogSoftmax",
                [](const NodeImport& node) {
                  import_softmax(node, [](std::int64_t axis) { return op::Softmax{axis, true}; });
                }},
    ImporterRow{"Hardmax",
                [](const NodeImport& node) {
                  import_softmax(node, [](std::int64_t axis) { return op::Hardmax{axis}; });
                }},
    ImporterRow{"MatMul", import_mat_mul},
    ImporterRow{"Gemm", import_gemm},
    ImporterRow{"Einsum",
                [](const NodeImport& node) { node.emit(op::Einsum{node.text("equation", "")}); }},
};

}  // namespace

std::span<const ImporterRow> norm_importers() { return kNormsImporters; }

}  // namespace narrow
