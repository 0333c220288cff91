#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "base/file.h"
#include "base/identifiers.h"
#include "base/run_progress.h"
#include "base/staging/staged_output.h"
#include "narrow/error.h"
#include "narrow/export_integers.h"
#include "nn/c_network/c_network.h"
#include "nn/integer/integer_executor.h"
#include "tasks/integers/example_graph.h"

namespace narrow {
namespace {

// Of a test: numbers in its text.
constexpr std::uint64_t kMostTestNumbers = std::uint64_t{1} << 18;

std::string network_name(const CheckpointReader& network, const std::string& wanted) {
  if (wanted.empty()) {
    return unique_identifiers({network.location().path.stem().string()}).front();
  }
  if (unique_identifiers({wanted}).front() != wanted) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("the name of a network in C is a letter and letters, digits and "
                            "underscores, found '{}'",
                            wanted));
  }
  return wanted;
}

std::vector<CArray> arrays_of(const std::vector<CNetworkPort>& ports) {
  std::vector<CArray> arrays;
  for (const CNetworkPort& port : ports) {
    arrays.push_back({port.value, port.parameter, port.c_type, port.shape});
  }
  return arrays;
}

// What one example makes of the ports, in the order of C.
using PortValues = std::map<ValueId, std::vector<std::int64_t>>;

PortValues port_values(const IntegerExecutor& executor, const CNetwork& network,
                       const GraphArrays& example) {
  PortValues values;
  executor.trace(example, [&](const IntegerExecutor::TracedStep& traced) {
    for (const auto* ports : {&network.inputs, &network.outputs}) {
      for (const CNetworkPort& port : *ports) {
        if (port.id != traced.step.output) continue;
        if (port.is_codes()) {
          values[port.id] = in_c_order(traced.values.integers, port.shape);
        } else {
          std::vector<std::int64_t> sums(traced.sums->values.begin(), traced.sums->values.end());
          values[port.id] = in_c_order(sums, port.shape);
        }
      }
    }
  });
  return values;
}

// Compares the function's results with those of this program.
class TestWriter {
 public:
  explicit TestWriter(const CNetwork& network) : network_(network) {
    for (const auto* ports : {&network.inputs, &network.outputs}) {
      for (const CNetworkPort& port : *ports) numbers_ += port.elements();
    }
  }

  // At least one.
  [[nodiscard]] std::uint64_t most_examples() const {
    return std::max<std::uint64_t>(1, kMostTestNumbers / numbers_);
  }

  void add(const PortValues& values) {
    for (const auto* ports : {&network_.inputs, &network_.outputs}) {
      for (const CNetworkPort& port : *ports) {
        std::string& text = rows_[port.id];
        text += "  {";
        const std::vector<std::int64_t>& numbers = values.at(port.id);
        for (std::size_t i = 0; i < numbers.size(); ++i) {
          constexpr std::size_t kInLine = 20;
          if (i > 0) text += i % kInLine == 0 ? ",\n   " : ", ";
          const bool is_wide = port.c_type == "int64_t";
          text += is_wide ? fmt::format("INT64_C({})", numbers[i]) : fmt::format("{}", numbers[i]);
        }
        text += "},\n";
      }
    }
    ++examples_;
  }

  [[nodiscard]] std::string text() const {
    std::string text = fmt::format(
        "/* Compares {0}_run with the integers that it was made from:\n"
        "   cc -std=c99 {0}.c {0}_test.c -o {0}_test && ./{0}_test */\n"
        "#include <stdio.h>\n#include <stdlib.h>\n\n#include \"{0}.h\"\n\n#define EXAMPLES {1}\n",
        network_.name, examples_);
    for (const CNetworkPort& port : network_.inputs) append_array(port, "inputs", text);
    for (const CNetworkPort& port : network_.outputs) append_array(port, "expected", text);
    text += "\nint main(void)\n{\n  long different = 0;\n  int example;\n";
    text += fmt::format("  void *const memory = malloc({}_MEMORY_BYTES + 1);\n",
                        upper_case(network_.name));
    text += "  if (memory == NULL) return 2;\n";
    text += "  for (example = 0; example < EXAMPLES; ++example) {\n    long i;\n";
    std::string arguments = "memory";
    for (const CNetworkPort& port : network_.inputs) {
      arguments += fmt::format(", inputs_{}[example]", port.parameter);
    }
    for (const CNetworkPort& port : network_.outputs) {
      text +=
          fmt::format("    static {0} {1}[{2}];\n", port.c_type, port.parameter, port.elements());
      arguments += ", " + port.parameter;
    }
    text += fmt::format("    {}_run({});\n", network_.name, arguments);
    for (const CNetworkPort& port : network_.outputs) {
      text += fmt::format(
          "    for (i = 0; i < {0}; ++i) different += {1}[i] != expected_{1}[example][i];\n",
          port.elements(), port.parameter);
    }
    text +=
        "  }\n  free(memory);\n"
        "  printf(\"%d examples, %ld different integers\\n\", EXAMPLES, different);\n"
        "  return different == 0 ? 0 : 1;\n}\n";
    return text;
  }

 private:
  void append_array(const CNetworkPort& port, const std::string& prefix, std::string& text) const {
    text += fmt::format("\nstatic const {} {}_{}[EXAMPLES][{}] = {{\n{}}};\n", port.c_type, prefix,
                        port.parameter, port.elements(), rows_.at(port.id));
  }

  const CNetwork& network_;
  std::uint64_t numbers_ = 0;
  std::map<ValueId, std::string> rows_;
  std::uint64_t examples_ = 0;
};

}  // namespace

CNetworkExport export_c_network(const CheckpointReader& network, std::span<const NamedArray> inputs,
                                const IntegerExportOptions& options,
                                const std::filesystem::path& directory, Overwrite overwrite,
                                const RunOptions& run) {
  const std::string name = network_name(network, options.name);
  const RunnableNetwork runnable(network, "", {});
  const ExampleGraph example = example_graph(runnable, inputs);
  const CNetwork made =
      make_c_network(example.graph, runnable.weight_reader(), options.arithmetic, name);
  CNetworkExport result;
  result.name = name;
  result.inputs = arrays_of(made.inputs);
  result.outputs = arrays_of(made.outputs);
  result.before = made.before;
  result.after = made.after;
  result.weight_bytes = made.weight_bytes;
  result.constant_bytes = made.constant_bytes;
  result.memory_bytes = made.memory_bytes;
  result.multiply_adds = made.multiply_adds;
  std::vector<std::pair<std::string, std::string>> texts = {{name + ".h", made.header},
                                                            {name + ".c", made.source}};
  if (!example.examples.empty()) {
    const IntegerExecutor executor(example.graph, runnable.weight_reader(), {run.threads, false},
                                   options.arithmetic);
    TestWriter test(made);
    result.tested_examples = std::min<std::uint64_t>(test.most_examples(), example.examples.size());
    for (std::uint64_t i = 0; i < result.tested_examples; ++i) {
      report_progress(run.observer, i, result.tested_examples, ProgressUnit::kSteps);
      test.add(port_values(executor, made, example.examples[i]));
    }
    texts.emplace_back(name + "_test.c", test.text());
  }
  std::vector<std::string> names;
  for (const auto& [file, text] : texts) names.push_back(file);
  StagedOutput staged(directory, names, overwrite);
  for (const auto& [file, text] : texts) {
    OutputFile output(staged.staging_path(file));
    output.write(text);
    output.finish();
    result.files.push_back(directory / file);
  }
  staged.commit();
  return result;
}

}  // namespace narrow
