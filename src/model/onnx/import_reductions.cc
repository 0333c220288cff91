// Operators along axes.
#include <array>

#include "graph/constants.h"
#include "model/onnx/node_import.h"

namespace narrow {
namespace {

// The axes became an input with opset 18, of ReduceSum with 13.
template <op::ReduceKind kKind>
void import_reduce(const NodeImport& node) {
  const std::int64_t first = kKind == op::ReduceKind::kSum ? 13 : 18;
  std::vector<ValueId> inputs = node.inputs();
  if (node.opset() < first) {
    inputs = {node.input(0)};
    if (node.has("axes")) {
      inputs.push_back(node.constant("axes", make_constant(node.integers("axes"))));
    }
  }
  node.emit(op::Reduce{kKind, node.flag("keepdims", true),
                       node.opset() >= first && node.flag("noop_with_empty_axes", false)},
            std::move(inputs));
}

template <bool kLargest>
void import_arg(const NodeImport& node) {
  node.emit(op::ArgReduce{kLargest, node.integer("axis", 0), node.flag("keepdims", true),
                          node.flag("select_last_index", false)});
}

void import_top_k(const NodeImport& node) {
  const op::TopK top = {node.integer("axis", -1), node.flag("largest", true),
                        node.flag("sorted", true)};
  if (node.opset() >= 10) {
    node.emit(top);
    return;
  }
  node.emit(top,
            {node.input(0),
             node.constant("k", make_constant(std::vector<std::int64_t>{node.integer("k", 0)}))});
}

constexpr std::array kReductionsImporters = {
    ImporterRow{"ReduceL1", import_reduce<op::ReduceKind::kL1>},
    ImporterRow{"ReduceL2", import_reduce<op::ReduceKind::kL2>},
    ImporterRow{"ReduceLogSum", import_reduce<op::ReduceKind::kLogSum>},
    ImporterRow{"ReduceLogSumExp", import_reduce<op::ReduceKind::kLogSumExp>},
    ImporterRow{"ReduceMax", import_reduce<op::ReduceKind::kMax>},
    ImporterRow{"ReduceMean", import_reduce<op::ReduceKind::kMean>},
    ImporterRow{"ReduceMin", import_reduce<op::ReduceKind::kMin>},
    ImporterRow{"ReduceProd", import_reduce<op::ReduceKind::kProd>},
    ImporterRow{"ReduceSum", import_reduce<op::ReduceKind::kSum>},
    ImporterRow{"ReduceSumSquare", import_reduce<op::ReduceKind::kSumSquare>},
    ImporterRow{"ArgMax", import_arg<true>},
    ImporterRow{"ArgMin", import_arg<false>},
    ImporterRow{"TopK", import_top_k},
    ImporterRow{"CumSum",
                [](const NodeImport& node) {
                  node.emit(op::CumSum{node.flag("exclusive", false), node.flag("reverse", false)});
                }},
    ImporterRow{"NonMaxSuppression",
                [](const NodeImport& node) {
                  node.emit(op::NonMaxSuppression{node.flag("center_point_box", false)});
                }},
};

}  // namespace

std::span<const ImporterRow> reduce_importers() { return kReductionsImporters; }

}  // namespace narrow
