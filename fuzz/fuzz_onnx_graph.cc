// ONNX models as graphs: whatever the model is, an Error or a graph. A small graph whose sizes are
// known runs as a program and with the reference operators, and both say the same.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>
#include <vector>

#include "graph/dimension_math.h"
#include "graph/shapes.h"
#include "graph/testing/hashed_values.h"
#include "model/onnx/import_onnx.h"
#include "narrow/error.h"
#include "nn/inference/compiled_graph.h"
#include "nn/reference/reference_network.h"
#include "onnx_model.pb.h"

namespace narrow {
namespace {

constexpr std::size_t kMostNodes = 16;
constexpr std::int64_t kMostElements = 2048;
constexpr std::int64_t kMostMultiplyAdds = 1 << 18;

std::vector<Dimensions> with_sizes(const Graph& graph) {
  std::vector<Dimensions> sizes;
  for (const ValueId id : graph.inputs) {
    Dimensions& dimensions = sizes.emplace_back(graph.value(id).dimensions);
    for (Dimension& dimension : dimensions) {
      if (dimension.is_free()) dimension = 2;
    }
  }
  return sizes;
}

// Whether every value is small.
bool is_small(const Graph& graph, const FactTable& facts) {
  ShapeTable shapes;
  for (const Fact& fact : facts) {
    const Dimension elements = product(fact.dimensions);
    if (elements.is_free() || elements.size > kMostElements) return false;
    shapes.push_back(fact.dimensions);
  }
  // Loops take as long as they say.
  return graph.nodes.size() <= kMostNodes &&
         std::ranges::all_of(graph.nodes, [&](const Node& node) {
           return !std::holds_alternative<op::Loop>(node.attributes) &&
                  !std::holds_alternative<op::Scan>(node.attributes) &&
                  multiply_adds(graph, node, shapes) <= kMostMultiplyAdds;
         });
}

ReferenceTensor some_values(const Shape& shape, DType type, std::uint32_t seed) {
  ReferenceTensor x = ReferenceTensor::zeros(shape, type);
  for (double& value : x.values) value = static_cast<float>(2 * hashed_uniform(seed++) - 1);
  for (std::int64_t& value : x.integers)
    value = static_cast<std::int64_t>(2 * hashed_uniform(seed++));
  return x;
}

// Whether a small change of what it reads changes its result little.
bool is_smooth(const Node& node) {
  const Attributes& op = node.attributes;
  if (const auto* reduce = std::get_if<op::Reduce>(&op))
    return reduce->kind == op::ReduceKind::kSum;
  return std::holds_alternative<op::Conv>(op) || std::holds_alternative<op::ConvTranspose>(op) ||
         std::holds_alternative<op::Relu>(op) || std::holds_alternative<op::Add>(op) ||
         std::holds_alternative<op::MatMul>(op) || std::holds_alternative<op::Gemm>(op) ||
         std::holds_alternative<op::Clip>(op) || std::holds_alternative<op::PRelu>(op) ||
         std::holds_alternative<op::MaxPool>(op) || std::holds_alternative<op::AveragePool>(op) ||
         std::holds_alternative<op::GlobalAveragePool>(op) ||
         std::holds_alternative<op::GlobalMaxPool>(op) || std::holds_alternative<op::Softmax>(op) ||
         std::holds_alternative<op::Reshape>(op) || std::holds_alternative<op::Flatten>(op) ||
         std::holds_alternative<op::Transpose>(op) || std::holds_alternative<op::Concat>(op) ||
         std::holds_alternative<op::Split>(op) || std::holds_alternative<op::Slice>(op) ||
         std::holds_alternative<op::Squeeze>(op) || std::holds_alternative<op::Unsqueeze>(op) ||
         std::holds_alternative<op::Pad>(op) || std::holds_alternative<op::Expand>(op) ||
         std::holds_alternative<op::Tile>(op) || std::holds_alternative<op::Gather>(op) ||
         std::holds_alternative<op::DepthToSpace>(op) ||
         std::holds_alternative<op::SpaceToDepth>(op) || std::holds_alternative<op::Identity>(op) ||
         std::holds_alternative<op::Where>(op);
}

void expect_same(const ReferenceTensor& found, const ReferenceTensor& expected, bool values) {
  if (found.shape != expected.shape || found.type != expected.type) std::abort();
  if (!values || found.type != DType::kFloat32) return;
  double largest = 0;
  for (const double value : expected.values) {
    // Beyond this float32 and double differ by more than their roundings.
    if (!(std::abs(value) < 1e30)) return;
    largest = std::max(largest, std::abs(value));
  }
  for (std::size_t i = 0; i < expected.values.size(); ++i) {
    if (!(std::abs(found.values[i] - expected.values[i]) <= 1e-3 * std::max(largest, 1.0))) {
      std::abort();
    }
  }
}

void run_both_ways(const Graph& graph, const std::vector<Dimensions>& sizes) {
  std::vector<Shape> shapes;
  std::vector<ReferenceTensor> inputs;
  std::vector<Constant> arrays;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    Shape& shape = shapes.emplace_back();
    for (const Dimension& dimension : sizes[i]) shape.push_back(dimension.size);
    const DType type = graph.value(graph.inputs[i]).type;
    inputs.push_back(some_values(shape, type, static_cast<std::uint32_t>(i) << 16));
    arrays.push_back(inputs.back().as_constant());
  }
  const auto read_weight = [](const Weight& weight) {
    return some_values(weight.shape, weight.type, 77);
  };
  // What the inputs' values do not fit is refused by both.
  std::optional<std::vector<ReferenceTensor>> expected;
  try {
    expected = run_reference(graph, read_weight, inputs);
  } catch (const Error&) {
  }
  std::vector<Constant> found;
  try {
    const auto read_array = [&](const Weight& weight) { return read_weight(weight).as_constant(); };
    found = CompiledGraph(graph, read_array, shapes).run(arrays);
  } catch (const Error&) {
    if (expected) std::abort();
    return;
  }
  if (!expected || found.size() != expected->size()) std::abort();
  const bool values = std::ranges::all_of(graph.nodes, is_smooth);
  for (std::size_t i = 0; i < found.size(); ++i) {
    expect_same(ReferenceTensor::of(found[i]), (*expected)[i], values);
  }
}

}  // namespace
}  // namespace narrow

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  narrow::onnx::ModelProto model;
  if (!model.ParseFromArray(data, static_cast<int>(size))) return 0;
  try {
    const narrow::Graph graph = narrow::import_onnx(model);
    const auto sizes = narrow::with_sizes(graph);
    if (narrow::is_small(graph, narrow::infer_facts(graph, sizes))) {
      narrow::run_both_ways(graph, sizes);
    }
  } catch (const narrow::Error& error) {
    if (error.what()[0] == '\0') std::abort();
  }
  return 0;
}
