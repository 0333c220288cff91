#include "model/onnx/flat_nodes.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <tuple>

#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::size_t kMostNodes = std::size_t{1} << 20;
constexpr int kDeepestCall = 32;

using FunctionKey = std::tuple<std::string, std::string, std::string>;

std::string domain_of(const std::string& domain) {
  return is_onnx_domain(domain) ? std::string() : domain;
}

template <typename Imports>
std::int64_t opset_of(const Imports& imports, const std::string& domain) {
  for (const auto& import : imports) {
    if (domain_of(import.domain()) == domain_of(domain)) return import.version();
  }
  return 0;
}

// What a node of a function has instead of the names that it is written with.
struct Scope {
  std::string prefix;
  std::map<std::string, std::string> values;
  std::map<std::string, onnx::AttributeProto> attributes;
};

class Flattener {
 public:
  explicit Flattener(const onnx::ModelProto& model) : model_(model) {
    for (const onnx::FunctionProto& function : model.functions()) {
      functions_[{domain_of(function.domain()), function.name(), function.overload()}] = &function;
    }
  }

  std::vector<FlatNode> run(const onnx::GraphProto& graph) {
    for (const onnx::NodeProto& node : graph.node()) {
      add(node, opset_of(model_.opset_import(), node.domain()), 0);
    }
    return std::move(nodes_);
  }

 private:
  void add(const onnx::NodeProto& node, std::int64_t opset, int depth) {
    const auto found = functions_.find({domain_of(node.domain()), node.op_type(), node.overload()});
    if (found != functions_.end()) {
      call(node, *found->second, depth);
      return;
    }
    if (nodes_.size() == kMostNodes) {
      throw Error(ErrorCategory::kUnsupported,
                  fmt::format("the model has more than {} nodes", kMostNodes));
    }
    nodes_.push_back({node, opset, depth > 0});
  }

  void call(const onnx::NodeProto& node, const onnx::FunctionProto& function, int depth) {
    if (depth == kDeepestCall) {
      throw Error(ErrorCategory::kCorrupt,
                  fmt::format("{}: the function {} is called within {} others", node.name(),
                              function.name(), kDeepestCall));
    }
    Scope scope;
    scope.prefix =
        fmt::format("{}/{}/", node.name().empty() ? node.op_type() : node.name(), ++calls_);
    for (int i = 0; i < function.input_size(); ++i) {
      scope.values[function.input(i)] = i < node.input_size() ? node.input(i) : "";
    }
    for (int i = 0; i < function.output_size() && i < node.output_size(); ++i) {
      if (!node.output(i).empty()) scope.values[function.output(i)] = node.output(i);
    }
    for (const auto& attribute : function.attribute_proto()) {
      scope.attributes[attribute.name()] = attribute;
    }
    for (const auto& attribute : node.attribute()) scope.attributes[attribute.name()] = attribute;
    for (const onnx::NodeProto& inner : function.node()) {
      add(renamed(inner, scope), opset_of(function.opset_import(), inner.domain()), depth + 1);
    }
  }

  static void rename(std::string& name, const Scope& scope) {
    if (name.empty()) return;
    const auto found = scope.values.find(name);
    name = found == scope.values.end() ? scope.prefix + name : found->second;
  }

  // Of an attribute.
  static void rename(onnx::GraphProto& graph, const Scope& scope) {
    for (onnx::NodeProto& node : *graph.mutable_node()) node = renamed(node, scope);
    for (auto& tensor : *graph.mutable_initializer()) rename(*tensor.mutable_name(), scope);
    for (auto& input : *graph.mutable_input()) rename(*input.mutable_name(), scope);
    for (auto& output : *graph.mutable_output()) rename(*output.mutable_name(), scope);
  }

  static onnx::NodeProto renamed(const onnx::NodeProto& node, const Scope& scope) {
    onnx::NodeProto result = node;
    result.set_name(scope.prefix + (node.name().empty() ? node.op_type() : node.name()));
    for (std::string& name : *result.mutable_input()) rename(name, scope);
    for (std::string& name : *result.mutable_output()) rename(name, scope);
    result.clear_attribute();
    for (const onnx::AttributeProto& attribute : node.attribute()) {
      if (attribute.ref_attr_name().empty()) {
        *result.add_attribute() = attribute;
        continue;
      }
      // An attribute that the call leaves out is left out here.
      const auto found = scope.attributes.find(attribute.ref_attr_name());
      if (found == scope.attributes.end()) continue;
      onnx::AttributeProto& copy = *result.add_attribute();
      copy = found->second;
      copy.set_name(attribute.name());
    }
    for (onnx::AttributeProto& attribute : *result.mutable_attribute()) {
      if (attribute.has_g()) rename(*attribute.mutable_g(), scope);
    }
    return result;
  }

  const onnx::ModelProto& model_;
  std::map<FunctionKey, const onnx::FunctionProto*> functions_;
  std::vector<FlatNode> nodes_;
  int calls_ = 0;
};

// What a node reads, also in the graphs of its attributes, where names of their own are among them.
void add_names_read(const onnx::NodeProto& node, std::set<std::string>& names) {
  names.insert(node.input().begin(), node.input().end());
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    if (!attribute.has_g()) continue;
    for (const onnx::NodeProto& inner : attribute.g().node()) add_names_read(inner, names);
    for (const auto& output : attribute.g().output()) names.insert(output.name());
  }
}

// Every node after those that make what it reads; otherwise in the order of the file.
std::vector<FlatNode> sorted(std::vector<FlatNode> nodes) {
  std::map<std::string, std::size_t> makers;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    for (const std::string& output : nodes[i].node.output()) {
      if (output.empty() || makers.emplace(output, i).second) continue;
      throw Error(ErrorCategory::kCorrupt, fmt::format("two nodes make the value {}", output));
    }
  }
  std::vector<std::size_t> missing(nodes.size(), 0);
  std::vector<std::vector<std::size_t>> readers(nodes.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    std::set<std::string> read;
    add_names_read(nodes[i].node, read);
    for (const std::string& input : read) {
      const auto maker = makers.find(input);
      if (maker == makers.end()) continue;
      ++missing[i];
      readers[maker->second].push_back(i);
    }
  }
  std::set<std::size_t> ready;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (missing[i] == 0) ready.insert(i);
  }
  std::vector<FlatNode> result;
  while (!ready.empty()) {
    const std::size_t next = *ready.begin();
    ready.erase(ready.begin());
    for (const std::size_t reader : readers[next]) {
      if (--missing[reader] == 0) ready.insert(reader);
    }
    result.push_back(std::move(nodes[next]));
  }
  if (result.size() == nodes.size()) return result;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (missing[i] == 0) continue;
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{} {} reads what follows from its own result", nodes[i].node.op_type(),
                            nodes[i].node.name()));
  }
  return result;
}

}  // namespace

bool is_onnx_domain(std::string_view domain) { return domain.empty() || domain == "ai.onnx"; }

std::vector<FlatNode> flat_nodes(const onnx::ModelProto& model, const onnx::GraphProto& graph) {
  return sorted(Flattener(model).run(graph));
}

}  // namespace narrow
