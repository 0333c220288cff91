#include "checkpoint/tensorflow/graph/graph_constants.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "checkpoint/tensorflow/tensor_meta.h"
#include "checkpoint/tensorflow/v1/v1_values.h"
#include "narrow/error.h"

namespace narrow {
namespace {

// Of what is stored once and stands for many elements: protobuf could not hold more of them.
constexpr std::uint64_t kMostRepeatedBytes = std::uint64_t{1} << 30;
constexpr std::uint64_t kMostRepeatedStrings = std::uint64_t{1} << 20;

constexpr std::array<std::string_view, 3> kVariableOperators = {"Variable", "VariableV2",
                                                                "VarHandleOp"};

// Fields of TensorProto.
constexpr std::uint32_t kType = 1;
constexpr std::uint32_t kShape = 2;
constexpr std::uint32_t kContent = 4;
constexpr std::uint32_t kFloats = 5;
constexpr std::uint32_t kDoubles = 6;
constexpr std::uint32_t kStrings = 8;
constexpr std::uint32_t kComplexes = 9;
constexpr std::uint32_t kLastComplexes = 12;
constexpr std::uint32_t kFloat8s = 18;
constexpr std::array<std::uint32_t, 6> kVarints = {7, 10, 11, 13, 16, 17};

struct Node {
  std::string name;
  std::string operation;
  std::vector<FileRange> attributes;
};

class GraphScan {
 public:
  explicit GraphScan(const InputFile& file) : file_(file), cursor_(file, 0, file.size()) {}

  std::vector<GraphConstant> scan() {
    for_fields({0, file_.size()}, [this](WireTag tag, FileRange content) {
      if (is_message(tag, 1)) scan_node(content, "");
      if (is_message(tag, 2)) scan_library(content);
    });
    if (variables_ > 0) {
      throw Error(ErrorCategory::kUnsupported,
                  fmt::format("{} is a graph of TensorFlow's with {} variables, the first of which "
                              "is '{}': their values lie in a checkpoint; name that",
                              file_.path().string(), variables_, variable_));
    }
    if (constants_.empty()) {
      throw Error(ErrorCategory::kUnsupported,
                  fmt::format("{} is a graph of TensorFlow's (GraphDef) without constants; name "
                              "the checkpoint that belongs to it",
                              file_.path().string()));
    }
    return std::move(constants_);
  }

 private:
  static bool is_message(WireTag tag, std::uint32_t number) {
    return tag == WireTag{number, WireKind::kBytes};
  }

  // Calls body(tag, where the value lies) for the fields of a message. It may move the cursor.
  template <typename Body>
  void for_fields(FileRange message, Body body) {
    for (std::uint64_t next = message.begin; next < message.end;) {
      cursor_.move_to(next, message.end);
      const WireTag tag = cursor_.tag();
      FileRange value{cursor_.position(), 0};
      if (tag.kind == WireKind::kBytes) {
        value = cursor_.content();
      } else {
        cursor_.skip_value(tag.kind);
        value.end = cursor_.position();
      }
      next = value.end;
      body(tag, value);
    }
  }

  std::string text(FileRange range) {
    cursor_.move_to(range.begin, range.end);
    return cursor_.text(range.size());
  }

  void scan_library(FileRange library) {
    for_fields(library, [this](WireTag tag, FileRange content) {
      if (is_message(tag, 1)) scan_function(content);
    });
  }

  void scan_function(FileRange function) {
    std::string prefix;
    std::vector<FileRange> nodes;
    for_fields(function, [&](WireTag tag, FileRange content) {
      if (is_message(tag, 3)) nodes.push_back(content);
      if (!is_message(tag, 1)) return;
      for_fields(content, [&](WireTag inner, FileRange name) {
        if (is_message(inner, 1)) prefix = text(name) + "/";
      });
    });
    for (const FileRange& node : nodes) scan_node(node, prefix);
  }

  void scan_node(FileRange range, const std::string& prefix) {
    constexpr std::uint32_t kName = 1;
    constexpr std::uint32_t kOperation = 2;
    constexpr std::uint32_t kAttribute = 5;
    Node node;
    for_fields(range, [&](WireTag tag, FileRange content) {
      if (is_message(tag, kName)) node.name = prefix + text(content);
      if (is_message(tag, kOperation)) node.operation = text(content);
      if (is_message(tag, kAttribute)) node.attributes.push_back(content);
    });
    if (std::ranges::find(kVariableOperators, node.operation) != kVariableOperators.end()) {
      if (variables_++ == 0) variable_ = node.name;
    }
    if (node.operation != "Const") return;
    const auto tensor = find_value(node);
    if (!tensor) refuse(node.name, "has no value");
    if (!names_.insert(node.name).second) refuse(node.name, "occurs twice");
    scan_tensor(std::move(node.name), *tensor);
  }

  // The TensorProto in the attribute "value".
  std::optional<FileRange> find_value(const Node& node) {
    constexpr std::uint32_t kTensor = 8;
    std::optional<FileRange> tensor;
    for (const FileRange& attribute : node.attributes) {
      std::string key;
      std::optional<FileRange> value;
      for_fields(attribute, [&](WireTag tag, FileRange content) {
        if (is_message(tag, 1)) key = text(content);
        if (is_message(tag, 2)) value = content;
      });
      if (key != "value" || !value) continue;
      for_fields(*value, [&](WireTag tag, FileRange content) {
        if (!is_message(tag, kTensor)) return;
        if (tensor) refuse(node.name, "has two values");
        tensor = content;
      });
    }
    return tensor;
  }

  void scan_tensor(std::string name, FileRange range) {
    GraphConstant constant;
    constant.info.name = std::move(name);
    constant.tensor = range;
    const std::string where =
        fmt::format("{}, node '{}'", file_.path().string(), constant.info.name);
    int type = 0;
    tensorflow::TensorShapeProto shape;
    std::array<std::uint64_t, kFloat8s + 1> numbers{};
    FileRange float8s;
    for_fields(range, [&](WireTag tag, FileRange value) {
      if (tag == WireTag{kType, WireKind::kVarint}) {
        cursor_.move_to(value.begin, value.end);
        type = static_cast<int>(std::min<std::uint64_t>(cursor_.varint(), INT32_MAX));
      }
      if (is_message(tag, kShape)) parse_message(text(value), where, &shape);
      if (is_message(tag, kContent)) constant.content = value;
      if (is_message(tag, kFloat8s)) float8s = value;
      if (tag.number < numbers.size()) numbers[tag.number] += count_numbers(tag, value);
    });
    set_tensorflow_type(type, where, &constant.info);
    constant.info.shape = shape_from_proto(shape, constant.info.dtype, where);
    if (is_float8(constant.info.dtype) && constant.content.size() == 0) constant.content = float8s;
    check_values(constant, numbers);
    constants_.push_back(std::move(constant));
  }

  static bool is_float8(DType dtype) {
    return dtype == DType::kFloat8E4M3 || dtype == DType::kFloat8E5M2;
  }

  // How many numbers or strings a field with values has.
  std::uint64_t count_numbers(WireTag tag, FileRange value) {
    if (tag.kind != WireKind::kBytes || tag.number == kStrings) return 1;
    if (tag.number == kFloats || tag.number == kComplexes) return value.size() / sizeof(float);
    if (tag.number == kDoubles || tag.number == kLastComplexes) {
      return value.size() / sizeof(double);
    }
    if (std::ranges::find(kVarints, tag.number) == kVarints.end()) return 0;
    std::uint64_t count = 0;
    cursor_.move_to(value.begin, value.end);
    for (; !cursor_.at_end(); ++count) cursor_.varint();
    return count;
  }

  void check_values(GraphConstant& constant, std::span<const std::uint64_t> numbers) {
    TensorInfo& info = constant.info;
    if (info.dtype == DType::kOpaque) {
      // Without content it is only listed.
      info.opaque.byte_size =
          constant.content.size() > 0 ? constant.content.size() : constant.tensor.size();
      return;
    }
    const std::uint64_t elements = element_count(info.shape);
    const std::uint64_t bytes = info.byte_size();
    if (constant.content.size() > 0) {
      if (constant.content.size() == bytes && info.dtype != DType::kString) return;
      refuse(info.name,
             fmt::format("has {} bytes of values, but its shape {} and type {} demand {}",
                         constant.content.size(), to_string(info.shape), info.type_name(), bytes));
    }
    const bool is_complex = info.dtype == DType::kComplex64 || info.dtype == DType::kComplex128;
    const auto field = v1_value_field(info.dtype);
    if (field) {
      constant.stored_elements = numbers[*field] / (is_complex ? 2 : 1);
    } else if (elements > 0) {
      refuse(info.name, fmt::format("has no values, but its shape {} and type {} demand {} bytes",
                                    to_string(info.shape), info.type_name(), bytes));
    }
    if (constant.stored_elements == elements) return;
    if (constant.stored_elements > elements) {
      refuse(info.name, fmt::format("has {} values, but its shape {} has {} elements",
                                    constant.stored_elements, to_string(info.shape), elements));
    }
    if (bytes > kMostRepeatedBytes ||
        (info.dtype == DType::kString && elements > kMostRepeatedStrings)) {
      throw Error(ErrorCategory::kUnsupported,
                  fmt::format("{}: node '{}' has {} values for the {} elements of its shape {}: "
                              "that many equal ones are not read",
                              file_.path().string(), info.name, constant.stored_elements, elements,
                              to_string(info.shape)));
    }
  }

  [[noreturn]] void refuse(const std::string& node, std::string_view problem) const {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{} is damaged: node '{}' {}", file_.path().string(), node, problem));
  }

  const InputFile& file_;
  WireCursor cursor_;
  std::vector<GraphConstant> constants_;
  std::unordered_set<std::string> names_;
  std::uint64_t variables_ = 0;
  std::string variable_;  // the first one
};

}  // namespace

std::vector<GraphConstant> scan_graph_constants(const InputFile& file) {
  return GraphScan(file).scan();
}

}  // namespace narrow
