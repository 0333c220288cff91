// ONNX's own tests of its operators against the reference executor and the compiled program: a
// folder a test, with a model, inputs and outputs. What the program is compiled from has been
// exported and imported once more. Those that pass are listed in
// passing_node_tests.txt, which may only grow; for those of a newer ONNX, which the tests against
// other programs run, NARROW_ONNX_TESTDATA says where they are and NARROW_ONNX_PASSING the list.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "model/onnx/export_onnx.h"
#include "model/onnx/import_onnx.h"
#include "model/onnx/onnx_elements.h"
#include "narrow/error.h"
#include "nn/inference/compiled_graph.h"
#include "nn/reference/reference_network.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

template <typename Message>
Message parse(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  Message message;
  if (!file || !message.ParseFromIstream(&file)) {
    throw Error(ErrorCategory::kCorrupt, path.string() + " is no message of this kind");
  }
  return message;
}

std::vector<ReferenceTensor> read_tensors(const fs::path& folder, const std::string& kind) {
  std::vector<ReferenceTensor> tensors;
  for (int i = 0;; ++i) {
    const fs::path path = folder / (kind + "_" + std::to_string(i) + ".pb");
    if (!fs::exists(path)) return tensors;
    tensors.push_back(ReferenceTensor::of(read_onnx_tensor(parse<onnx::TensorProto>(path))));
  }
}

// Initializers and constants by name.
std::map<std::string, const onnx::TensorProto*> tensors_of(const onnx::GraphProto& graph) {
  std::map<std::string, const onnx::TensorProto*> tensors;
  for (const auto& tensor : graph.initializer()) tensors[tensor.name()] = &tensor;
  for (const auto& node : graph.node()) {
    if (node.op_type() != "Constant") continue;
    for (const auto& attribute : node.attribute()) {
      if (attribute.has_t()) tensors[node.output(0)] = &attribute.t();
    }
  }
  return tensors;
}

// As ONNX's own runner compares: integers exactly.
std::string difference(const ReferenceTensor& found, const ReferenceTensor& expected) {
  constexpr double kRelative = 1e-3;
  constexpr double kAbsolute = 1e-7;
  if (found.type != expected.type) {
    return "type " + std::string(to_string(found.type)) + ", expected " +
           std::string(to_string(expected.type));
  }
  if (found.shape != expected.shape) {
    return "shape " + to_string(found.shape) + ", expected " + to_string(expected.shape);
  }
  for (std::size_t i = 0; i < found.values.size(); ++i) {
    const double a = found.values[i];
    const double b = expected.values[i];
    const bool is_equal = a == b || (std::isnan(a) && std::isnan(b)) ||
                          std::abs(a - b) <= kAbsolute + kRelative * std::abs(b);
    if (is_equal && (std::isinf(a) == std::isinf(b))) continue;
    return "element " + std::to_string(i) + " is " + std::to_string(a) + ", expected " +
           std::to_string(b);
  }
  for (std::size_t i = 0; i < found.integers.size(); ++i) {
    if (found.integers[i] == expected.integers[i]) continue;
    return "element " + std::to_string(i) + " is " + std::to_string(found.integers[i]) +
           ", expected " + std::to_string(expected.integers[i]);
  }
  return "";
}

std::string difference(const std::vector<ReferenceTensor>& found,
                       const std::vector<ReferenceTensor>& expected) {
  if (found.size() != expected.size()) return "another number of outputs";
  for (std::size_t i = 0; i < found.size(); ++i) {
    const std::string text = difference(found[i], expected[i]);
    if (!text.empty()) return "output " + std::to_string(i) + ": " + text;
  }
  return "";
}

using ReadTensor = std::function<Constant(const std::string& name)>;

std::vector<ReferenceTensor> run_program(const Graph& graph, const WeightReader& read_weight,
                                         const std::vector<ReferenceTensor>& inputs) {
  std::vector<Shape> shapes;
  std::vector<Constant> arrays;
  for (const ReferenceTensor& input : inputs) {
    shapes.push_back(input.shape);
    arrays.push_back(input.as_constant());
  }
  std::vector<ReferenceTensor> outputs;
  const auto read_array = [&](const Weight& weight) { return read_weight(weight).as_constant(); };
  for (const Constant& output : CompiledGraph(graph, read_array, shapes).run(arrays)) {
    outputs.push_back(ReferenceTensor::of(output));
  }
  return outputs;
}

// What the model says but for the values of its tensors, which are weights or constants by what
// they are used for.
std::string description(onnx::ModelProto model) {
  auto& tensors = *model.mutable_graph()->mutable_initializer();
  for (onnx::TensorProto& tensor : tensors) tensor.clear_raw_data();
  std::ranges::sort(tensors, {}, [](const auto& tensor) { return tensor.name(); });
  return model.SerializeAsString();
}

// The graph once more, from the model that it is exported as.
Graph exported_and_imported(const Graph& graph, const ReadTensor& read_tensor) {
  onnx::ModelProto model = export_onnx(graph);
  for (onnx::TensorProto& tensor : *model.mutable_graph()->mutable_initializer()) {
    const bool has_values = tensor.has_raw_data() || element_count(shape_of_onnx(tensor)) == 0;
    if (!has_values)
      tensor.set_raw_data(onnx_tensor("", read_tensor(tensor.name()), {}).raw_data());
  }
  Graph again = import_onnx(model);
  if (description(export_onnx(again)) != description(model)) {
    throw Error(ErrorCategory::kCorrupt, "exported and imported it is another graph");
  }
  return again;
}

// Why the test does not pass; empty when it does.
std::string failure_of(const fs::path& folder) {
  const auto model = parse<onnx::ModelProto>(folder / "model.onnx");
  const Graph graph = import_onnx(model);
  const auto tensors = tensors_of(model.graph());
  const auto read_tensor = [&](const std::string& name) {
    return read_onnx_tensor(*tensors.at(name));
  };
  const auto read_weight = [&](const Weight& weight) {
    return ReferenceTensor::of(read_tensor(weight.name));
  };
  const Graph again = exported_and_imported(graph, read_tensor);
  for (int set = 0;; ++set) {
    const fs::path data = folder / ("test_data_set_" + std::to_string(set));
    if (!fs::exists(data)) return set == 0 ? "it has no data" : "";
    const auto inputs = read_tensors(data, "input");
    const auto expected = read_tensors(data, "output");
    std::string found = difference(run_reference(graph, read_weight, inputs), expected);
    if (!found.empty()) return found;
    found = difference(run_program(again, read_weight, inputs), expected);
    if (!found.empty()) return "the program: " + found;
  }
}

std::string failure_or_error_of(const fs::path& folder) {
  try {
    return failure_of(folder);
  } catch (const std::exception& error) {
    return error.what();
  }
}

std::set<std::string> read_list(const fs::path& path) {
  std::ifstream file(path);
  std::set<std::string> names;
  for (std::string name; std::getline(file, name);) names.insert(name);
  return names;
}

// Every test of the folder; adds their names, which are those of their folders.
void run_folder(const fs::path& folder, const std::set<std::string>& passing,
                std::set<std::string>& found) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (!fs::exists(entry.path() / "model.onnx")) continue;
    const std::string name = entry.path().filename().string();
    EXPECT_TRUE(found.insert(name).second) << name << " is there twice";
    const std::string failure = failure_or_error_of(entry.path());
    if (passing.contains(name)) {
      EXPECT_EQ(failure, "") << name;
    } else {
      EXPECT_NE(failure, "") << name << " passes: add it to the list";
    }
    if (std::getenv("NARROW_SHOW_FAILURES") != nullptr && !failure.empty()) {
      std::cerr << name << ": " << failure << "\n";
    }
  }
}

TEST(NodeConformance, ListedTestsPass) {
  const char* const source_dir = std::getenv("NARROW_SOURCE_DIR");
  ASSERT_NE(source_dir, nullptr);
  const char* const list = std::getenv("NARROW_ONNX_PASSING");
  const std::set<std::string> passing = read_list(
      fs::path(source_dir) / "tests/onnx" / (list != nullptr ? list : "passing_node_tests.txt"));
  const char* const other = std::getenv("NARROW_ONNX_TESTDATA");
  const fs::path data = other != nullptr ? other : "/usr/share/libonnx-testdata/data";
  ASSERT_TRUE(fs::exists(data)) << data << ": the package libonnx-testdata is not installed";
  std::set<std::string> found;
  for (const char* kind : {"node", "pytorch-converted", "pytorch-operator", "simple"}) {
    run_folder(data / kind, passing, found);
  }
  for (const std::string& name : passing) {
    EXPECT_TRUE(found.contains(name)) << name << " is listed and not there";
  }
}

}  // namespace
}  // namespace narrow
