#include "checkpoint/onnx/onnx_scanner.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "checkpoint/container/wire_cursor.h"
#include "checkpoint/onnx/onnx_tensor_scan.h"
#include "narrow/error.h"

namespace narrow {
namespace {

// Subgraphs within subgraphs. Protobuf parses no deeper than 100 messages, three to a subgraph.
constexpr int kDeepestGraph = 32;
// Of attributes that say how a node treats its inputs.
constexpr std::size_t kMostNumbers = 64;

struct KnownOperator {
  std::string_view name;
  OnnxNode::Kind kind;
};

constexpr std::array kOperators = std::to_array<KnownOperator>({
    {"Conv", OnnxNode::Kind::kConv},
    {"ConvTranspose", OnnxNode::Kind::kConvTranspose},
    {"Gemm", OnnxNode::Kind::kGemm},
    {"MatMul", OnnxNode::Kind::kMatMul},
    {"Gather", OnnxNode::Kind::kGather},
    {"Cast", OnnxNode::Kind::kSameAxes},
    {"CastLike", OnnxNode::Kind::kSameAxes},
    {"DequantizeLinear", OnnxNode::Kind::kSameAxes},
    {"Identity", OnnxNode::Kind::kSameAxes},
    {"QuantizeLinear", OnnxNode::Kind::kSameAxes},
    {"Reshape", OnnxNode::Kind::kReshape},
    {"Transpose", OnnxNode::Kind::kTranspose},
});

// A field of which the content is looked at later.
struct Part {
  std::uint32_t number = 0;
  std::uint64_t length_at = 0;
  FileRange content;
};

struct Attribute {
  std::string name;
  std::vector<std::int64_t> numbers;
  std::vector<Part> tensors;
  std::vector<Part> graphs;
};

// What a node says of itself but for its attributes.
struct NodeHead {
  std::string name;
  std::string op_type;
  std::string domain;
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  std::vector<Part> attributes;
};

class Scanner {
 public:
  explicit Scanner(const InputFile& file) : file_(file), cursor_(file, 0, file.size()) {}

  OnnxLayout scan() {
    if (file_.size() >= kMostMessageBytes) {
      throw Error(ErrorCategory::kCorrupt,
                  fmt::format("{} has {} bytes, but an ONNX file has less than {}: what is larger "
                              "has its values in files beside it",
                              file_.path().string(), file_.size(), kMostMessageBytes));
    }
    std::vector<Part> graphs;
    while (!cursor_.at_end()) scan_model_field(graphs);
    if (graphs.size() != 1) {
      throw Error(ErrorCategory::kCorrupt,
                  fmt::format("{} is no ONNX model: it has {} graphs instead of one",
                              file_.path().string(), graphs.size()));
    }
    scan_graph(graphs.front(), kNoMessage, {}, "", 0);
    return std::move(layout_);
  }

 private:
  static constexpr std::uint32_t kGraphField = 7;
  static constexpr std::uint32_t kPropertyField = 14;

  Part part(std::uint32_t number) {
    Part part{number, cursor_.position(), {}};
    const std::uint64_t size = cursor_.length();
    part.content = {cursor_.position(), cursor_.position() + size};
    cursor_.skip(size);
    return part;
  }

  void enter(const Part& part) { cursor_.move_to(part.content.begin, part.content.end); }

  std::size_t add_message(const Part& part, std::size_t parent) {
    layout_.messages.push_back({part.length_at, part.content, parent});
    return layout_.messages.size() - 1;
  }

  void scan_model_field(std::vector<Part>& graphs) {
    const std::uint64_t begin = cursor_.position();
    const WireTag tag = cursor_.tag();
    if (tag.kind != WireKind::kBytes) {
      cursor_.skip_value(tag.kind);
    } else {
      const Part found = part(tag.number);
      if (tag.number == kGraphField) graphs.push_back(found);
      if (tag.number == kPropertyField) add_property(begin, found);
    }
    if (tag.number <= kPropertyField) layout_.properties_end = cursor_.position();
  }

  void add_property(std::uint64_t begin, const Part& field) {
    OnnxProperty property;
    property.field = {begin, field.content.end};
    enter(field);
    while (!cursor_.at_end()) {
      const WireTag tag = cursor_.tag();
      if (tag.kind == WireKind::kBytes && tag.number <= 2) {
        (tag.number == 1 ? property.key : property.value) = cursor_.text(cursor_.length());
      } else {
        cursor_.skip_value(tag.kind);
      }
    }
    cursor_.move_to(field.content.end, file_.size());
    layout_.properties.push_back(std::move(property));
  }

  // `prefix` stands before the names of tensors; empty for the main graph.
  void scan_graph(const Part& field, std::size_t parent_message, std::optional<std::size_t> parent,
                  const std::string& prefix, int depth) {
    constexpr std::uint32_t kNode = 1;
    constexpr std::uint32_t kInitializer = 5;
    if (depth > kDeepestGraph) cursor_.refuse("graphs nest too deeply");
    const std::size_t message = add_message(field, parent_message);
    const std::size_t graph = layout_.graphs.size();
    layout_.graphs.push_back({parent, {}, {}});
    for (std::uint64_t next = field.content.begin; next < field.content.end;) {
      cursor_.move_to(next, field.content.end);
      const WireTag tag = cursor_.tag();
      if (tag.kind != WireKind::kBytes || (tag.number != kNode && tag.number != kInitializer)) {
        cursor_.skip_value(tag.kind);
        next = cursor_.position();
        continue;
      }
      const Part found = part(tag.number);
      next = found.content.end;
      if (tag.number == kNode) {
        scan_node(found, message, graph, prefix, depth);
      } else {
        scan_tensor(found, message, graph, prefix, {});
      }
    }
  }

  // The name of a Constant's output counts, not the one that its tensor may have.
  void scan_tensor(const Part& field, std::size_t parent_message, std::size_t graph,
                   const std::string& prefix, const std::string& value_name) {
    const std::size_t message = add_message(field, parent_message);
    enter(field);
    OnnxTensor tensor = scan_onnx_tensor(cursor_, message, layout_.messages);
    const std::string name = value_name.empty() ? tensor.info.name : value_name;
    if (name.empty()) cursor_.refuse("a tensor without a name ends");
    if (!layout_.graphs[graph].tensors.emplace(name, layout_.tensors.size()).second) {
      cursor_.refuse(fmt::format("a second tensor '{}' of one graph ends", name));
    }
    tensor.info.name = unique_name(prefix + name);
    layout_.tensors.push_back(std::move(tensor));
  }

  // Tensors of several subgraphs may have one name, and nodes may have none.
  std::string unique_name(const std::string& name) {
    std::string unique = name;
    while (!names_.insert(unique).second) {
      int& count = wanted_.try_emplace(name, 1).first->second;
      unique = fmt::format("{}#{}", name, ++count);
    }
    return unique;
  }

  NodeHead scan_head(const Part& field) {
    NodeHead head;
    enter(field);
    while (!cursor_.at_end()) {
      const WireTag tag = cursor_.tag();
      if (tag.kind != WireKind::kBytes) {
        cursor_.skip_value(tag.kind);
        continue;
      }
      switch (tag.number) {
        case 1:
          head.inputs.push_back(cursor_.text(cursor_.length()));
          break;
        case 2:
          head.outputs.push_back(cursor_.text(cursor_.length()));
          break;
        case 3:
          head.name = cursor_.text(cursor_.length());
          break;
        case 4:
          head.op_type = cursor_.text(cursor_.length());
          break;
        case 5:
          head.attributes.push_back(part(tag.number));
          break;
        case 7:
          head.domain = cursor_.text(cursor_.length());
          break;
        default:
          cursor_.skip_value(tag.kind);
      }
    }
    return head;
  }

  void add_number(Attribute& attribute) {
    const auto number = static_cast<std::int64_t>(cursor_.varint());
    if (attribute.numbers.size() < kMostNumbers) attribute.numbers.push_back(number);
  }

  Attribute scan_attribute(const Part& field) {
    constexpr std::uint32_t kInt = 3;
    constexpr std::uint32_t kTensor = 5;
    constexpr std::uint32_t kGraph = 6;
    constexpr std::uint32_t kInts = 8;
    constexpr std::uint32_t kGraphs = 11;
    Attribute attribute;
    enter(field);
    while (!cursor_.at_end()) {
      const WireTag tag = cursor_.tag();
      const bool is_bytes = tag.kind == WireKind::kBytes;
      const bool is_number = tag.number == kInt || tag.number == kInts;
      if (tag.number == 1 && is_bytes) {
        attribute.name = cursor_.text(cursor_.length());
      } else if (is_number && tag.kind == WireKind::kVarint) {
        add_number(attribute);
      } else if (tag.number == kInts && is_bytes) {
        const Part packed = part(tag.number);
        cursor_.move_to(packed.content.begin, packed.content.end);
        while (!cursor_.at_end()) add_number(attribute);
        cursor_.move_to(packed.content.end, field.content.end);
      } else if (tag.number == kTensor && is_bytes) {
        attribute.tensors.push_back(part(tag.number));
      } else if ((tag.number == kGraph || tag.number == kGraphs) && is_bytes) {
        attribute.graphs.push_back(part(tag.number));
      } else {
        cursor_.skip_value(tag.kind);
      }
    }
    return attribute;
  }

  void scan_node(const Part& field, std::size_t parent_message, std::size_t graph,
                 const std::string& prefix, int depth) {
    const NodeHead head = scan_head(field);
    const bool is_standard = head.domain.empty() || head.domain == "ai.onnx";
    const bool is_constant = is_standard && head.op_type == "Constant" && !head.outputs.empty();
    const KnownOperator* const known =
        std::ranges::find(kOperators, head.op_type, &KnownOperator::name);
    OnnxNode node;
    const bool is_known = is_standard && known != kOperators.end() && !head.outputs.empty();
    if (is_known) node.kind = known->kind;
    std::optional<std::size_t> node_message;
    for (const Part& place : head.attributes) {
      const Attribute attribute = scan_attribute(place);
      const std::int64_t first = attribute.numbers.empty() ? 0 : attribute.numbers.front();
      if (attribute.name == "transA") node.transposes_a = first != 0;
      if (attribute.name == "transB") node.transposes_b = first != 0;
      if (attribute.name == "perm") node.permutation = attribute.numbers;
      const bool has_tensor = is_constant && attribute.name == "value" &&
                              attribute.tensors.size() == 1 && !head.outputs.front().empty();
      if (!has_tensor && attribute.graphs.empty()) continue;
      if (!node_message) node_message = add_message(field, parent_message);
      const std::size_t message = add_message(place, *node_message);
      if (has_tensor) {
        scan_tensor(attribute.tensors.front(), message, graph, prefix, head.outputs.front());
        continue;
      }
      const std::string& owner =
          head.name.empty() && !head.outputs.empty() ? head.outputs.front() : head.name;
      for (const Part& subgraph : attribute.graphs) {
        scan_graph(subgraph, message, graph, fmt::format("{}{}/{}/", prefix, owner, attribute.name),
                   depth + 1);
      }
    }
    if (!is_known) return;
    node.inputs = head.inputs;
    node.output = head.outputs.front();
    layout_.graphs[graph].nodes.push_back(std::move(node));
  }

  const InputFile& file_;
  WireCursor cursor_;
  OnnxLayout layout_;
  std::unordered_set<std::string> names_;
  std::unordered_map<std::string, int> wanted_;  // how often, of names that were taken
};

}  // namespace

OnnxLayout scan_onnx(const InputFile& file) { return Scanner(file).scan(); }

}  // namespace narrow
