#include "model/onnx/import_onnx.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <set>
#include <string>
#include <vector>

#include "model/onnx/flat_nodes.h"
#include "model/onnx/node_import.h"
#include "model/onnx/qonnx_model.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::int64_t kNewestOpset = 25;

[[noreturn]] void refuse(const onnx::NodeProto& node, const std::string& why) {
  const std::string domain = is_onnx_domain(node.domain()) ? "ai.onnx" : node.domain();
  const std::string name =
      node.name().empty() && node.output_size() > 0 ? node.output(0) : node.name();
  throw Error(ErrorCategory::kUnsupported, fmt::format("the node {} is {} of the domain {}, {}",
                                                       name, node.op_type(), domain, why));
}

void import_node(GraphImport& graph, const FlatNode& flat) {
  const onnx::NodeProto& node = flat.node;
  NodeImporter import = nullptr;
  if (is_onnx_domain(node.domain())) import = find_importer(node.op_type());
  if (node.domain() == "com.microsoft") import = find_microsoft_importer(node.op_type());
  if (is_qonnx_domain(node.domain())) import = find_qonnx_importer(node.op_type());
  if (import == nullptr) refuse(node, "which is not computed");
  if (flat.opset < 1 || flat.opset > kNewestOpset) {
    refuse(node, fmt::format("whose opset is {}, expected 1 to {}", flat.opset, kNewestOpset));
  }
  import(NodeImport(graph, flat));
}

}  // namespace

void import_nodes(GraphImport& graph, const onnx::GraphProto& from) {
  for (const onnx::TensorProto& tensor : from.initializer()) {
    graph.add_tensor(tensor.name(), tensor);
  }
  if (from.sparse_initializer_size() > 0) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{} sparse initializers, which are not computed with",
                            from.sparse_initializer_size()));
  }
  const auto& nodes = graph.keep(flat_nodes(graph.model(), from));
  for (const FlatNode& node : nodes) import_node(graph, node);
}

namespace {

// How far an import came.
struct Progress {
  std::size_t nodes = 0;
  int branches = 0;  // with an unknown condition
};

Graph import_expecting(const onnx::ModelProto& model, std::uint64_t else_bits, Progress& progress) {
  const onnx::GraphProto& onnx_graph = model.graph();
  GraphImport graph(onnx_graph.name().empty() ? "graph" : onnx_graph.name(), model);
  graph.expect_else(else_bits);
  std::set<std::string> initialized;
  for (const onnx::TensorProto& tensor : onnx_graph.initializer()) {
    initialized.insert(tensor.name());
  }
  // Old files list initializers among the inputs too.
  for (const onnx::ValueInfoProto& input : onnx_graph.input()) {
    if (!initialized.contains(input.name())) graph.add_input(input);
  }
  try {
    import_nodes(graph, onnx_graph);
  } catch (const Error&) {
    progress = {graph.counted_nodes(), graph.counted_branches()};
    throw;
  }
  std::vector<std::string> outputs;
  for (const onnx::ValueInfoProto& output : onnx_graph.output()) outputs.push_back(output.name());
  return graph.finish(outputs);
}

}  // namespace

// Where branches give values of other ranks, only what follows tells which of them is meant. After
// an error the branches before it are turned one by one, the last one first; what lets the import
// come further stays.
Graph import_onnx(const onnx::ModelProto& model) {
  constexpr int kMostTries = 32;
  constexpr std::size_t kMostNodesToTry = 1 << 16;
  std::uint64_t accepted = 0;
  std::uint64_t else_bits = 0;
  Progress furthest;
  std::exception_ptr error;  // of the import that came furthest
  int next = -1;             // the branch that is turned next
  for (int tries = 0;; ++tries) {
    Progress progress;
    try {
      return import_expecting(model, else_bits, progress);
    } catch (const Error&) {
      if (tries == 0 || progress.nodes > furthest.nodes) {
        furthest = progress;
        error = std::current_exception();
        accepted = else_bits;
        next = std::min(progress.branches, 64) - 1;
      }
      if (next < 0 || tries == kMostTries || progress.nodes > kMostNodesToTry) {
        std::rethrow_exception(error);
      }
      else_bits = accepted ^ (std::uint64_t{1} << next);
      --next;
    }
  }
}

}  // namespace narrow
