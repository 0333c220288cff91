#include "nn/c_network/c_network.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "base/identifiers.h"
#include "graph/operators.h"
#include "graph/shapes.h"
#include "narrow/error.h"
#include "narrow/version.h"
#include "nn/c_network/step_writer.h"
#include "nn/integer/code_tables.h"
#include "nn/integer/expand_quantized.h"

namespace narrow {
namespace {

using c_network::comment_text;
using c_network::CSource;
using c_network::StepWriter;

// Which values are part of the network in C, and what they are there.
class NetworkParts {
 public:
  explicit NetworkParts(const QuantizedGraph& quantized)
      : quantized_(quantized), graph_(quantized.graph()) {
    for (const ValueId id : graph_.inputs) given_.insert(id);
    for (const QuantizedStep& step : quantized.steps()) take(step);
    for (const ValueId id : graph_.outputs) {
      if (parts_.contains(id) || codes_of_.contains(id)) {
        add_output(id);
      } else if (!after_.contains(id)) {
        throw Error(ErrorCategory::kUnsupported,
                    fmt::format("the output {} of {} is not computed from codes",
                                graph_.value(id).name, graph_.name));
      }
    }
    // Those of the graph come first, in its order.
    std::stable_partition(outputs_.begin(), outputs_.end(),
                          [&](ValueId id) { return std::ranges::count(named_outputs_, id) > 0; });
  }

  // Codes that are made of what is given.
  [[nodiscard]] const std::vector<ValueId>& inputs() const { return inputs_; }
  // Codes or sums that something outside reads.
  [[nodiscard]] const std::vector<ValueId>& outputs() const { return outputs_; }
  // Codes that a DequantizeLinear made the numbers of; other values themselves.
  [[nodiscard]] ValueId codes_of(ValueId id) const {
    const auto found = codes_of_.find(id);
    return found == codes_of_.end() ? id : found->second;
  }
  // The name of the numbers that a part stands for.
  [[nodiscard]] std::string title_of(ValueId part) const {
    const auto found = titles_.find(part);
    return found == titles_.end() ? graph_.value(part).name : found->second;
  }
  [[nodiscard]] const std::vector<std::string>& before() const { return before_; }
  [[nodiscard]] const std::vector<std::string>& after() const { return after_nodes_; }

 private:
  void take(const QuantizedStep& step) {
    if (step.kind == StepKind::kFloat) return take_float(step);
    if (step.kind == StepKind::kDequantize) {
      codes_of_[step.output] = step.inputs[0];
      return;
    }
    if (step.kind == StepKind::kQuantize) {
      const ValueId x = step.inputs[0];
      if (given_.contains(x)) {
        inputs_.push_back(step.output);
        titles_[step.output] = graph_.value(x).name;
      } else if (!codes_of_.contains(x)) {
        throw Error(ErrorCategory::kUnsupported,
                    fmt::format("{} of {} is computed in floating point between integers, which C "
                                "does not have here",
                                node_behind(x), graph_.name));
      }
    }
    parts_.insert(step.output);
  }

  void take_float(const QuantizedStep& step) {
    bool is_given = true;
    for (const ValueId id : step.inputs) {
      if (id == kNoValue || quantized_.stored(id) != nullptr || given_.contains(id)) continue;
      is_given = false;
      if (!after_.contains(id)) add_output(id);
    }
    const Node& node = step.node(graph_);
    (is_given ? before_ : after_nodes_)
        .push_back(fmt::format("{} {}", operator_of(node).name, node.name));
    (is_given ? given_ : after_).insert(node.outputs.begin(), node.outputs.end());
  }

  void add_output(ValueId id) {
    const ValueId part = codes_of(id);
    const bool is_named = std::ranges::count(graph_.outputs, id) > 0;
    if (is_named) named_outputs_.push_back(part);
    if (part != id) titles_.emplace(part, graph_.value(id).name);
    if (std::ranges::count(outputs_, part) == 0) outputs_.push_back(part);
  }

  [[nodiscard]] std::string node_behind(ValueId id) const {
    const int producer = graph_.producer(id);
    if (producer < 0) return graph_.value(id).name;
    const Node& node = graph_.nodes[static_cast<std::size_t>(producer)];
    return fmt::format("{} {}", operator_of(node).name, node.name);
  }

  const QuantizedGraph& quantized_;
  const Graph& graph_;
  std::set<ValueId> given_;
  std::set<ValueId> parts_;
  std::set<ValueId> after_;
  std::map<ValueId, ValueId> codes_of_;
  std::map<ValueId, std::string> titles_;
  std::vector<ValueId> inputs_;
  std::vector<ValueId> outputs_;
  std::vector<ValueId> named_outputs_;
  std::vector<std::string> before_;
  std::vector<std::string> after_nodes_;
};

std::string shape_in_c(const Shape& shape) {
  Shape order = shape;
  if (order.size() == 4) std::rotate(order.begin() + 1, order.begin() + 2, order.end());
  return fmt::format("[{}]", fmt::join(order, "]["));
}

class NetworkWriter {
 public:
  NetworkWriter(const QuantizedGraph& quantized, const FactTable& facts,
                const IntegerArithmetic& arithmetic, std::string name)
      : quantized_(quantized),
        graph_(quantized.graph()),
        arithmetic_(arithmetic),
        parts_(quantized),
        source_(arithmetic),
        steps_(quantized, facts, source_) {
    network_.name = std::move(name);
    network_.before = parts_.before();
    network_.after = parts_.after();
  }

  CNetwork run() {
    name_nodes();
    for (const ValueId id : parts_.inputs()) add_port(id, network_.inputs, "in_");
    for (const ValueId id : parts_.outputs()) add_port(id, network_.outputs, "out_");
    if (network_.inputs.empty() || network_.outputs.empty()) {
      throw Error(ErrorCategory::kUnsupported,
                  fmt::format("{} has nothing between a QuantizeLinear of its inputs and its "
                              "outputs that is computed in integers",
                              graph_.name));
    }
    name_ports();
    for (std::size_t i = 0; i < quantized_.steps().size(); ++i) write(i);
    source_.plan_memory();
    network_.weight_bytes = source_.weight_bytes();
    network_.constant_bytes = source_.constant_bytes();
    network_.memory_bytes = source_.memory_bytes();
    network_.multiply_adds = steps_.multiply_adds();
    network_.header = header_text();
    network_.source = source_text();
    return std::move(network_);
  }

 private:
  // With the number of the step in front, what begins with one of them is no name of another step,
  // of a function, of a parameter or of C itself.
  void name_nodes() {
    std::vector<std::string> names;
    for (const QuantizedStep& step : quantized_.steps()) {
      names.push_back(fmt::format("step{}_{}", names.size() + 1, step.node(graph_).name));
    }
    identifiers_ = unique_identifiers(names);
  }

  // Sums get the type that the layer adds in.
  void add_port(ValueId id, std::vector<CNetworkPort>& ports, const std::string& prefix) {
    CNetworkPort port;
    port.id = id;
    port.value = parts_.title_of(id);
    port.parameter = prefix;
    port.shape = steps_.shape_of(id);
    c_network::ElementType type = c_network::kS32;
    if (const IntegerFormat* const format = quantized_.format(id)) {
      port.format = *format;
      type = c_network::element_type_of(*format);
    } else {
      const auto made = std::ranges::find(quantized_.steps(), id, &QuantizedStep::output);
      if (made->kind != StepKind::kLinear) {
        throw Error(ErrorCategory::kUnsupported,
                    fmt::format("{} of {}: products of two values that are computed, which C does "
                                "not have here",
                                made->node(graph_).name, graph_.name));
      }
      const IntegerLinear linear(quantized_, *made, CodeWidth::kLong);
      type = c_network::sum_type_of(linear);
      for (std::size_t c = 0; c < linear.sizes().out_channels; ++c) {
        port.units.push_back(linear.unit(c));
      }
    }
    port.c_type = type.c_type;
    const bool is_input = prefix == "in_";
    // An input that is an output as well is copied.
    if (!is_input && steps_.has_place(id)) {
      throw Error(
          ErrorCategory::kUnsupported,
          fmt::format("the value {} of {} is an input and an output", port.value, graph_.name));
    }
    steps_.place(id, source_.add_buffer({type, port.elements(), ""}));
    ports.push_back(std::move(port));
  }

  void name_ports() {
    std::vector<std::string> names;
    for (const auto* ports : {&network_.inputs, &network_.outputs}) {
      for (const CNetworkPort& port : *ports) names.push_back(port.parameter + port.value);
    }
    std::vector<std::string> identifiers = unique_identifiers(names);
    std::size_t next = 0;
    for (auto* ports : {&network_.inputs, &network_.outputs}) {
      for (CNetworkPort& port : *ports) {
        port.parameter = identifiers[next];
        source_.name_buffer(next, identifiers[next]);
        ++next;
      }
    }
  }

  void write(std::size_t index) {
    const QuantizedStep& step = quantized_.steps()[index];
    const bool is_input = std::ranges::count(parts_.inputs(), step.output) > 0;
    if (step.kind == StepKind::kFloat || step.kind == StepKind::kDequantize || is_input) return;
    try {
      if (step.kind == StepKind::kQuantize) {
        steps_.write_quantized(parts_.codes_of(step.inputs[0]), step.output, identifiers_[index]);
      } else {
        steps_.write(step, identifiers_[index]);
      }
    } catch (const Error& error) {
      const Node& node = step.node(graph_);
      if (std::string_view(error.what()).starts_with(node.name + " of ")) throw;
      throw Error(error.category(), fmt::format("{} {} of {}: {}", operator_of(node).name,
                                                node.name, graph_.name, error.what()));
    }
  }

  [[nodiscard]] std::string signature() const {
    std::string text = fmt::format("void {}_run(void *memory", network_.name);
    for (const CNetworkPort& port : network_.inputs) {
      text += fmt::format(", const {} *{}", port.c_type, port.parameter);
    }
    for (const CNetworkPort& port : network_.outputs) {
      text += fmt::format(", {} *{}", port.c_type, port.parameter);
    }
    return text + ")";
  }

  [[nodiscard]] std::string units_declaration(const CNetworkPort& port) const {
    return fmt::format("const float {}_{}_units[{}]", network_.name, port.parameter,
                       port.units.size());
  }

  void describe(const CNetworkPort& port, std::string& text) const {
    const std::string macro = upper_case(network_.name + "_" + port.parameter);
    auto out = std::back_inserter(text);
    fmt::format_to(out, "\n/* {} {}{}: {} */\n", port.c_type, port.parameter,
                   shape_in_c(port.shape), comment_text(port.value));
    fmt::format_to(out, "#define {}_ELEMENTS {}\n", macro, port.elements());
    if (!port.is_codes()) {
      fmt::format_to(out,
                     "/* A sum of a channel stands for the sum, as float, times the unit of the "
                     "channel. */\nextern {};\n",
                     units_declaration(port));
      return;
    }
    fmt::format_to(out,
                   "/* A code stands for (code - ZERO) * SCALE; the codes go from LEAST to "
                   "GREATEST. */\n"
                   "#define {0}_SCALE {1}\n#define {0}_ZERO ({2})\n"
                   "#define {0}_LEAST ({3})\n#define {0}_GREATEST ({4})\n",
                   macro, float_literal(port.format.scale), port.format.zero,
                   port.format.least + port.format.zero, port.format.greatest + port.format.zero);
  }

  // Nine digits give the same float32 back.
  static std::string float_literal(float value) {
    return fmt::format("{:.9e}f", static_cast<double>(value));
  }

  [[nodiscard]] std::string header_text() const {
    const std::string guard = "NARROW_" + upper_case(network_.name) + "_H";
    std::string text = fmt::format(
        "/* The network {} in integers, made by narrow {}. Sums become codes by {}.\n"
        "   {} bytes of constants, of which weights {}; {} multiplications. */\n"
        "#ifndef {}\n#define {}\n\n#include <stdint.h>\n\n#ifdef __cplusplus\nextern \"C\" {{\n"
        "#endif\n",
        comment_text(graph_.name), build_info().version, to_text(arithmetic_),
        network_.constant_bytes, network_.weight_bytes, network_.multiply_adds, guard, guard);
    for (const std::string& node : network_.before) {
      text += fmt::format("\n/* Not part of this: {}, which computes an input. */\n",
                          comment_text(node));
    }
    for (const std::string& node : network_.after) {
      text += fmt::format("\n/* Not part of this: {}, which computes with an output. */\n",
                          comment_text(node));
    }
    for (const CNetworkPort& port : network_.inputs) describe(port, text);
    for (const CNetworkPort& port : network_.outputs) describe(port, text);
    text += fmt::format(
        "\n/* Bytes of memory, aligned as int64_t is, that a run needs; what is in them before and "
        "after\n   does not matter. 0: memory may be NULL. */\n#define {}_MEMORY_BYTES {}\n\n",
        upper_case(network_.name), network_.memory_bytes);
    text += "/* Arrays have the order of their indices above, the last one runs fastest. */\n";
    return text + signature() + ";\n\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n";
  }

  [[nodiscard]] std::string source_text() const {
    std::string text = fmt::format(
        "/* Made by narrow {}; C99, without a library and without floating-point operations. */\n"
        "#include \"{}.h\"\n",
        build_info().version, network_.name);
    text += source_.definitions();
    for (const CNetworkPort& port : network_.outputs) {
      if (port.is_codes()) continue;
      std::vector<std::string> units;
      for (const float unit : port.units) units.push_back(float_literal(unit));
      text +=
          fmt::format("\n{} = {{\n  {}\n}};\n", units_declaration(port), fmt::join(units, ",\n  "));
    }
    return text + "\n" + signature() + "\n{\n" + source_.body() + "}\n";
  }

  const QuantizedGraph& quantized_;
  const Graph& graph_;
  IntegerArithmetic arithmetic_;
  NetworkParts parts_;
  CSource source_;
  StepWriter steps_;
  std::vector<std::string> identifiers_;  // by step
  CNetwork network_;
};

}  // namespace

CNetwork make_c_network(const Graph& graph, const ReadWeight& read_weight,
                        const IntegerArithmetic& arithmetic, const std::string& name) {
  check(arithmetic);
  const Graph expanded = expand_quantized(graph);
  const QuantizedGraph quantized(
      expanded, [&](const Weight& weight) { return ReferenceTensor::of(read_weight(weight)); },
      arithmetic);
  for (const QuantizedStep& step : quantized.steps()) check_arithmetic(quantized, step);
  const FactTable facts = infer_facts(expanded);
  return NetworkWriter(quantized, facts, arithmetic, name).run();
}

}  // namespace narrow
