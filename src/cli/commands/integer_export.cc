#include "cli/commands/integer_export.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <iterator>

#include "base/utf8.h"
#include "cli/console/job_progress.h"
#include "cli/options/common_options.h"
#include "narrow/dequantized_weights.h"
#include "narrow/error.h"
#include "narrow/packed_checkpoint.h"
#include "report/integer_export_report.h"
#include "report/report.h"

namespace narrow {
namespace {

constexpr const char* kVectors = "vectors";
constexpr const char* kCNetwork = "c-network";

std::vector<NamedArray> arrays_of(const CheckpointReader& network,
                                  const IntegerExportArguments& args) {
  if (args.inputs.inputs.empty() && args.inputs.seed.empty()) return {};
  return network_inputs(network, "", args.inputs);
}

std::string lines_of(const std::vector<CArray>& arrays, const std::string& what) {
  std::string text;
  for (const CArray& array : arrays) {
    fmt::format_to(std::back_inserter(text), "{}: {} {} [{}], {}\n", what, array.c_type,
                   array.parameter, fmt::join(array.shape, ", "), shown(array.value));
  }
  return text;
}

void print_c_network(const CNetworkExport& made, const IntegerArithmetic& arithmetic, bool json) {
  if (json) {
    print_result(json_text(c_network_json(made, arithmetic)));
    return;
  }
  const auto list = [](const std::vector<std::string>& nodes, const std::string& what) {
    return nodes.empty() ? "" : fmt::format("{}: {}\n", what, fmt::join(nodes, ", "));
  };
  std::string text = lines_of(made.inputs, "input") + lines_of(made.outputs, "output");
  text += list(made.before, "not part of it, before") + list(made.after, "not part of it, after");
  text += fmt::format("requantization: {}\n", to_text(arithmetic));
  text += fmt::format("constants: {} bytes, of which weights {}\n", made.constant_bytes,
                      made.weight_bytes);
  text += fmt::format("memory while it runs: {} bytes\n", made.memory_bytes);
  text += fmt::format("multiplications: {}\n", made.multiply_adds);
  if (made.tested_examples > 0)
    text += fmt::format("examples in the test: {}\n", made.tested_examples);
  for (const auto& file : made.files) {
    text += fmt::format("written: {}\n", shown(file.string()));
  }
  print_result(text);
}

void print_vectors(const VectorsExport& made, bool json) {
  if (json) {
    print_result(json_text(vectors_json(made)));
    return;
  }
  print_result(fmt::format("{} arrays with {} integers, of {} examples\nmanifest: {}\n",
                           made.values, made.numbers, made.examples,
                           shown(made.manifest.string())));
}

}  // namespace

bool is_integer_export(const std::string& format) {
  return format == kVectors || format == kCNetwork;
}

void add_integer_export_options(Command& command, IntegerExportArguments& args) {
  add_network_input_options(command, args.inputs);
  add_requantize_option(command, args.options.arithmetic);
  command.add_option("--name", args.options.name, "of the network in C; default that of the file")
      .type_name("NAME");
}

void require_integer_options(const Command& command, const std::string& format) {
  const bool is_integer = is_integer_export(format);
  const auto refuse = [&](const std::vector<std::string>& options, const std::string& why) {
    for (const std::string& option : options) {
      if (command.count(option) == 0) continue;
      throw Error(ErrorCategory::kUsage, fmt::format("{} {}", option, why));
    }
  };
  if (is_integer) {
    refuse({"--scheme", "--plan", "--include", "--exclude", "--bits", "--granularity", "--axis",
            "--range", "--scaling", "--q", "--ap-fixed", "--fraction-bits", "--signed",
            "--moving_averages", "--rule", "--rules", "--save-plan", "--nonfinite", "--cast"},
           fmt::format("says how weights are quantized; --to {} takes a network that is quantized "
                       "already, as quantize --to qdq writes it",
                       format));
  } else {
    refuse({"--inputs", "--random", "--shape", "--requantize", "--name"},
           "goes with --to vectors and --to c-network");
  }
  if (format == kVectors) refuse({"--name"}, "goes with --to c-network");
}

void run_integer_export(const std::string& input, const std::string& format,
                        const IntegerExportArguments& args, const std::string& output, int threads,
                        bool force, bool json) {
  const auto reader = see_as_computed(open_unpacked(input));
  NotingProgress progress("exporting");
  const std::vector<NamedArray> arrays = arrays_of(*reader, args);
  const RunOptions run{threads, &progress};
  if (format == kVectors) {
    if (arrays.empty()) {
      throw Error(ErrorCategory::kUsage, "--to vectors needs --inputs or --random");
    }
    const VectorsExport made =
        export_vectors(*reader, arrays, args.options, output, overwrite_of(force), run);
    progress.finish();
    return print_vectors(made, json);
  }
  const CNetworkExport made =
      export_c_network(*reader, arrays, args.options, output, overwrite_of(force), run);
  progress.finish();
  print_c_network(made, args.options.arithmetic, json);
}

}  // namespace narrow
