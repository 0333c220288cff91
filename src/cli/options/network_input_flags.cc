#include "cli/options/network_input_flags.h"

#include <fmt/format.h>

#include <optional>
#include <string_view>

#include "base/number_text.h"
#include "cli/options/common_options.h"
#include "narrow/error.h"

namespace narrow {
namespace {

[[noreturn]] void refuse_shape(const std::string& text) {
  throw Error(ErrorCategory::kUsage,
              fmt::format("--shape {} is not NAME= and sizes, as in x=1,3,224,224", text));
}

// Names may have '=' in them.
std::pair<std::string, Shape> parse_shape(const std::string& text) {
  const std::size_t end = text.rfind('=');
  if (end == std::string::npos || end == 0) refuse_shape(text);
  Shape shape;
  std::string_view sizes = std::string_view(text).substr(end + 1);
  while (!sizes.empty()) {
    const std::size_t comma = sizes.find(',');
    const auto size = number_of<std::int64_t>(sizes.substr(0, comma));
    if (!size || *size < 0) refuse_shape(text);
    shape.push_back(*size);
    if (comma == std::string_view::npos) break;
    sizes.remove_prefix(comma + 1);
    if (sizes.empty()) refuse_shape(text);
  }
  return {text.substr(0, end), shape};
}

}  // namespace

std::map<std::string, Shape> parse_shapes(const std::vector<std::string>& texts) {
  std::map<std::string, Shape> shapes;
  for (const std::string& text : texts) {
    auto [name, shape] = parse_shape(text);
    if (shapes.emplace(name, std::move(shape)).second) continue;
    throw Error(ErrorCategory::kUsage, fmt::format("--shape is given twice for {}", name));
  }
  return shapes;
}

void add_shape_option(Command& command, std::vector<std::string>& shapes, const std::string& with) {
  const std::string help = with + ": of an input, x=1,3,224,224 say";
  add_repeatable_option(command, "--shape", shapes, "NAME=SIZES", help.c_str());
}

void add_network_input_options(Command& command, NetworkInputFlags& flags) {
  command.add_option("--inputs", flags.inputs, "arrays named like the network's inputs")
      .type_name("FILE.npz");
  command.add_option("--random", flags.seed, "instead of --inputs: arrays made from this number")
      .type_name("SEED");
  add_shape_option(command, flags.shapes, "with --random");
}

std::vector<NamedArray> network_inputs(const CheckpointReader& network,
                                       const std::string& model_name,
                                       const NetworkInputFlags& flags) {
  if (flags.inputs.empty() == flags.seed.empty()) {
    throw Error(ErrorCategory::kUsage, "the network needs either --inputs or --random");
  }
  if (!flags.inputs.empty()) {
    if (flags.shapes.empty()) return read_arrays(flags.inputs);
    throw Error(ErrorCategory::kUsage, "--shape goes with --random; arrays have their own shapes");
  }
  const auto seed = number_of<std::uint64_t>(flags.seed);
  if (!seed) {
    throw Error(ErrorCategory::kUsage, fmt::format("--random {} is no number", flags.seed));
  }
  return random_inputs(network, model_name, parse_shapes(flags.shapes), *seed);
}

void add_nodes_option(Command& command, std::vector<std::string>& nodes, const std::string& help) {
  add_repeatable_option(command, "--nodes", nodes, "GLOB", help.c_str());
}

}  // namespace narrow
