// Every DequantizeLinear becomes what it says in QONNX; what then nothing reads goes.
// https://github.com/fastmachinelearning/qonnx/blob/main/docs/qonnx-custom-ops/quant_op.md
#include "model/onnx/qonnx_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "graph/operators/small_types.h"
#include "model/onnx/onnx_elements.h"
#include "narrow/error.h"
#include "tensor/element_values.h"

namespace narrow {
namespace {

constexpr std::int64_t kQonnxVersion = 1;

// Integers of a width as Quant counts it.
struct QuantWidth {
  int bits = 8;
  bool is_signed = false;
  bool is_narrow = false;  // signed, without the least integer
};

// Exactly these integers; nothing when no width has them.
std::optional<QuantWidth> exact_width(std::int64_t least, std::int64_t greatest) {
  for (int bits = 1; bits <= 16; ++bits) {
    const std::int64_t half = std::int64_t{1} << (bits - 1);
    if (least == 0 && greatest == 2 * half - 1) return QuantWidth{bits, false, false};
    if (greatest == half - 1 && least == -half) return QuantWidth{bits, true, false};
    if (bits > 1 && greatest == half - 1 && least == -half + 1) return QuantWidth{bits, true, true};
  }
  return std::nullopt;
}

// The fewest bits that hold all codes.
QuantWidth least_width(const std::vector<std::int64_t>& codes, bool is_signed) {
  std::int64_t least = 0;
  std::int64_t greatest = 0;
  for (const std::int64_t code : codes) {
    least = std::min(least, code);
    greatest = std::max(greatest, code);
  }
  QuantWidth width{2, is_signed, false};
  const auto half = [&] { return std::int64_t{1} << (width.bits - 1); };
  const auto end = [&] { return is_signed ? half() - 1 : 2 * half() - 1; };
  while (greatest > end() || least < -half()) ++width.bits;
  width.is_narrow = is_signed && least > -half();
  return width;
}

// Calls `take` with the name of every value that the node reads, or a node in its graphs.
template <typename Take>
void for_each_read(const onnx::NodeProto& node, const Take& take) {
  for (const std::string& input : node.input()) take(input);
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    for (const onnx::NodeProto& inner : attribute.g().node()) for_each_read(inner, take);
  }
}

// Of one graph, which must outlive this.
class QonnxWriter {
 public:
  explicit QonnxWriter(const onnx::GraphProto& graph) : graph_(graph) { take_names(); }

  onnx::GraphProto run() {
    onnx::GraphProto result = graph_;
    result.clear_node();
    for (const onnx::NodeProto& node : graph_.node()) {
      if (node.op_type() == "DequantizeLinear") {
        add_dequantized(node, result);
        continue;
      }
      onnx::NodeProto& same = *result.add_node();
      same = node;
      for (onnx::AttributeProto& attribute : *same.mutable_attribute()) {
        if (attribute.has_g()) *attribute.mutable_g() = within(attribute.g());
      }
    }
    drop_unread(result);
    return result;
  }

 private:
  void take_names() {
    for (const onnx::TensorProto& tensor : graph_.initializer()) {
      stored_[tensor.name()] = &tensor;
      names_.insert(tensor.name());
    }
    std::map<std::string, int> readers;  // of what is made here
    for (const onnx::NodeProto& node : graph_.node()) {
      for (const std::string& output : node.output()) {
        producers_[output] = &node;
        readers[output] = 0;
        names_.insert(output);
      }
    }
    for (const onnx::NodeProto& node : graph_.node()) {
      for_each_read(node, [&](const std::string& value) {
        const auto made = readers.find(value);
        if (made != readers.end()) ++made->second;
      });
    }
    for (const auto& [value, count] : readers) readers_[value] = count;
  }

  // A graph in a node, which sees what is outside of it.
  [[nodiscard]] onnx::GraphProto within(const onnx::GraphProto& inner) const {
    QonnxWriter writer(inner, *this);
    return writer.run();
  }
  QonnxWriter(const onnx::GraphProto& inner, const QonnxWriter& outer)
      : graph_(inner),
        stored_(outer.stored_),
        producers_(outer.producers_),
        readers_(outer.readers_),
        names_(outer.names_) {
    take_names();
  }

  [[noreturn]] static void refuse(const onnx::NodeProto& node, std::string_view why) {
    throw Error(ErrorCategory::kUnsupported, fmt::format("{} {} has no counterpart in QONNX: {}",
                                                         node.op_type(), node.name(), why));
  }

  [[nodiscard]] const onnx::NodeProto* producer(const std::string& value) const {
    const auto found = producers_.find(value);
    return found == producers_.end() ? nullptr : found->second;
  }
  [[nodiscard]] const onnx::TensorProto* stored(const std::string& value) const {
    const auto found = stored_.find(value);
    return found == stored_.end() ? nullptr : found->second;
  }

  // Integers or real numbers of an input; nothing where it is left out.
  [[nodiscard]] std::vector<double> numbers(const onnx::NodeProto& node, int input) const {
    if (node.input_size() <= input || node.input(input).empty()) return {};
    const onnx::TensorProto* const tensor = stored(node.input(input));
    if (tensor == nullptr) refuse(node, "a scale, zero point or bound is not stored");
    return elements_of(*tensor);
  }
  static std::vector<double> elements_of(const onnx::TensorProto& tensor) {
    const Constant constant = read_onnx_tensor(tensor);
    if (is_floating_point(constant.type)) return decode_reals(constant.type, constant.bytes);
    const std::vector<std::int64_t> integers = decode_integers(constant.type, constant.bytes);
    return {integers.begin(), integers.end()};
  }

  [[nodiscard]] std::string unique(const std::string& wanted) {
    std::string name = wanted;
    for (int number = 2; !names_.insert(name).second; ++number) {
      name = fmt::format("{}_{}", wanted, number);
    }
    return name;
  }
  std::string add_reals(const std::string& name, const Shape& shape,
                        const std::vector<double>& values, onnx::GraphProto& graph) {
    const std::string own = unique(name);
    *graph.add_initializer() = onnx_tensor(
        own, {DType::kFloat32, shape, encode_reals(DType::kFloat32, values)}, SmallType::kNone);
    return own;
  }

  void add_dequantized(const onnx::NodeProto& node, onnx::GraphProto& graph) {
    const onnx::NodeProto* const maker = producer(node.input(0));
    const bool is_cast = maker != nullptr && maker->op_type() == "Cast";  // of packed codes
    const onnx::TensorProto* const codes = stored(is_cast ? maker->input(0) : node.input(0));
    if (codes != nullptr) return add_stored(node, *codes, graph);
    if (maker == nullptr || maker->op_type() != "QuantizeLinear") {
      refuse(node, "its codes are made by no QuantizeLinear");
    }
    add_rounded(node, *maker, graph);
  }

  void add_rounded(const onnx::NodeProto& node, const onnx::NodeProto& quantize,
                   onnx::GraphProto& graph) {
    const std::vector<double> scale = numbers(node, 1);
    const std::vector<double> zero = numbers(node, 2);
    const bool is_same = scale == numbers(quantize, 1) && zero == numbers(quantize, 2);
    if (scale.size() != 1 || zero.size() > 1 || !is_same || readers_.at(quantize.output(0)) != 1) {
      refuse(node, "it is no pair with a QuantizeLinear of one scale and zero point");
    }
    const std::int64_t shift = zero.empty() ? 0 : static_cast<std::int64_t>(zero[0]);
    const onnx::TensorProto* const type = zero.empty() ? nullptr : stored(node.input(2));
    const IntegerRange of_type =
        *integer_range(type == nullptr ? DType::kUInt8 : dtype_of_onnx(type->data_type()),
                       type == nullptr ? SmallType::kNone : small_type_of_onnx(type->data_type()));
    std::optional<QuantWidth> width = exact_width(of_type.least, of_type.greatest);
    std::string numbers_name = quantize.input(0);
    if (const auto bounded = clipped_width(quantize.input(0), scale[0], shift, of_type)) {
      width = bounded;
      numbers_name = producer(numbers_name)->input(0);
    }
    add_quant(node, numbers_name, {scale, {static_cast<double>(shift)}, {}}, *width, graph);
  }

  // Of a Clip that keeps numbers in the range of a width.
  [[nodiscard]] std::optional<QuantWidth> clipped_width(const std::string& value, double scale,
                                                        std::int64_t zero,
                                                        const IntegerRange& of_type) const {
    const onnx::NodeProto* const clip = producer(value);
    if (clip == nullptr || clip->op_type() != "Clip" || readers_.at(value) != 1)
      return std::nullopt;
    const std::vector<double> least = numbers(*clip, 1);
    const std::vector<double> greatest = numbers(*clip, 2);
    if (least.size() != 1 || greatest.size() != 1) return std::nullopt;
    const auto code_of = [&](double bound) {
      return std::clamp(static_cast<std::int64_t>(std::nearbyint(bound / scale)) + zero,
                        of_type.least, of_type.greatest);
    };
    const auto is_number_of = [&](double bound, std::int64_t code) {
      const auto centered = static_cast<float>(code - zero);
      return static_cast<float>(bound) == centered * static_cast<float>(scale);
    };
    const std::int64_t first = code_of(least[0]);
    const std::int64_t last = code_of(greatest[0]);
    if (!is_number_of(least[0], first) || !is_number_of(greatest[0], last)) return std::nullopt;
    return exact_width(first, last);
  }

  void add_stored(const onnx::NodeProto& node, const onnx::TensorProto& codes,
                  onnx::GraphProto& graph) {
    const Constant constant = read_onnx_tensor(codes);
    const std::vector<std::int64_t> integers = decode_integers(constant.type, constant.bytes);
    const Scaling scaling = scaling_of(node, constant.shape);
    std::vector<double> reals(integers.size());
    for (std::size_t i = 0; i < reals.size(); ++i) {
      const std::size_t c = scaling.channel(i);
      const double zero = scaling.zeros[scaling.zeros.size() == 1 ? 0 : c];
      const double scale = scaling.scales[scaling.scales.size() == 1 ? 0 : c];
      reals[i] = static_cast<double>(integers[i]) - zero;
      reals[i] *= scale;
    }
    if (constant.type == DType::kInt32) {
      *graph.add_initializer() = onnx_tensor(
          node.output(0), {DType::kFloat32, constant.shape, encode_reals(DType::kFloat32, reals)},
          SmallType::kNone);
      return;
    }
    const bool is_signed = integer_range(constant.type, SmallType::kNone)->least < 0;
    constexpr std::string_view kCodes = "_codes";
    std::string name = codes.name();
    if (name.ends_with(kCodes)) name.resize(name.size() - kCodes.size());
    add_quant(node, add_reals(name, constant.shape, reals, graph), scaling,
              least_width(integers, is_signed), graph);
  }

  struct Scaling {
    std::vector<double> scales;
    std::vector<double> zeros;
    Shape shape;            // of a vector of them, as Quant has it; [] for one
    std::size_t inner = 1;  // elements behind the axis
    std::size_t count = 1;

    [[nodiscard]] std::size_t channel(std::size_t element) const { return element / inner % count; }
  };

  [[nodiscard]] Scaling scaling_of(const onnx::NodeProto& node, const Shape& shape) const {
    Scaling scaling{numbers(node, 1), numbers(node, 2), {}};
    if (scaling.zeros.empty()) scaling.zeros = {0};
    if (std::ranges::all_of(scaling.zeros, [](double zero) { return zero == 0; })) {
      scaling.zeros = {0};
    }
    scaling.count = std::max(scaling.scales.size(), scaling.zeros.size());
    if (scaling.count == 1) return scaling;
    std::int64_t axis = 1;
    for (const onnx::AttributeProto& attribute : node.attribute()) {
      if (attribute.name() == "axis") axis = attribute.i();
      if (attribute.name() == "block_size" && attribute.i() != 0) refuse(node, "it has blocks");
    }
    if (axis < 0) axis += static_cast<std::int64_t>(shape.size());
    scaling.shape.assign(shape.size(), 1);
    scaling.shape.at(static_cast<std::size_t>(axis)) = static_cast<std::int64_t>(scaling.count);
    for (std::size_t i = static_cast<std::size_t>(axis) + 1; i < shape.size(); ++i) {
      scaling.inner *= static_cast<std::size_t>(shape[i]);
    }
    return scaling;
  }

  void add_quant(const onnx::NodeProto& node, const std::string& numbers_name,
                 const Scaling& scaling, const QuantWidth& width, onnx::GraphProto& graph) {
    const auto shape_of = [&](const std::vector<double>& values) {
      return values.size() == 1 ? Shape{} : scaling.shape;
    };
    onnx::NodeProto& quant = *graph.add_node();
    quant.set_op_type("Quant");
    quant.set_domain(std::string(kQonnxDomain));
    quant.set_name(node.name());
    quant.add_input(numbers_name);
    const std::string& output = node.output(0);
    quant.add_input(
        add_reals(output + "_quant_scale", shape_of(scaling.scales), scaling.scales, graph));
    quant.add_input(
        add_reals(output + "_quant_zero", shape_of(scaling.zeros), scaling.zeros, graph));
    quant.add_input(
        add_reals(output + "_quant_bits", {}, {static_cast<double>(width.bits)}, graph));
    quant.add_output(output);
    const auto set = [&](const char* name, bool value) {
      onnx::AttributeProto& attribute = *quant.add_attribute();
      attribute.set_name(name);
      attribute.set_type(onnx::AttributeProto::INT);
      attribute.set_i(value ? 1 : 0);
    };
    set("signed", width.is_signed);
    set("narrow", width.is_narrow);
    onnx::AttributeProto& rounding = *quant.add_attribute();
    rounding.set_name("rounding_mode");
    rounding.set_type(onnx::AttributeProto::STRING);
    rounding.set_s("ROUND");
  }

  // Nodes and initializers of which nothing reads a result.
  static void drop_unread(onnx::GraphProto& graph) {
    std::set<std::string> read;
    for (const onnx::ValueInfoProto& output : graph.output()) read.insert(output.name());
    const auto is_unread = [&](const onnx::NodeProto& node) {
      return std::ranges::none_of(node.output(),
                                  [&](const std::string& output) { return read.contains(output); });
    };
    for (int i = graph.node_size() - 1; i >= 0; --i) {
      if (is_unread(graph.node(i))) continue;
      for_each_read(graph.node(i), [&](const std::string& value) { read.insert(value); });
    }
    auto& nodes = *graph.mutable_node();
    nodes.erase(std::remove_if(nodes.begin(), nodes.end(), is_unread), nodes.end());
    auto& tensors = *graph.mutable_initializer();
    const auto is_unread_tensor = [&](const onnx::TensorProto& tensor) {
      return !read.contains(tensor.name());
    };
    tensors.erase(std::remove_if(tensors.begin(), tensors.end(), is_unread_tensor), tensors.end());
  }

  const onnx::GraphProto& graph_;
  std::map<std::string, const onnx::TensorProto*> stored_;
  std::map<std::string, const onnx::NodeProto*> producers_;
  std::map<std::string, int> readers_;
  std::set<std::string> names_;
};

}  // namespace

bool is_qonnx_domain(std::string_view domain) {
  return domain == kQonnxDomain || domain == "finn.custom_op.general" || domain == "onnx.brevitas";
}

onnx::ModelProto to_qonnx(onnx::ModelProto model) {
  onnx::GraphProto graph = QonnxWriter(model.graph()).run();
  *model.mutable_graph() = std::move(graph);
  onnx::OperatorSetIdProto& opset = *model.add_opset_import();
  opset.set_domain(std::string(kQonnxDomain));
  opset.set_version(kQonnxVersion);
  return model;
}

}  // namespace narrow
