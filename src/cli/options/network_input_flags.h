// What a network is fed with.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cli/parser/command.h"
#include "narrow/checkpoint.h"
#include "narrow/run_network.h"

namespace narrow {

struct NetworkInputFlags {
  std::string inputs;  // the file
  std::vector<std::string> shapes;
  std::string seed;
};

// --inputs, --random, --shape.
void add_network_input_options(Command& command, NetworkInputFlags& flags);

// --shape, whose help begins with `with`: what it goes with.
void add_shape_option(Command& command, std::vector<std::string>& shapes, const std::string& with);

// Its values by the inputs' names. Throws Error(kUsage) for one that is not NAME=SIZES, or comes
// twice.
std::map<std::string, Shape> parse_shapes(const std::vector<std::string>& texts);

// Throws Error(kUsage) unless there is one of --inputs and --random, and for --shape without
// --random; what read_arrays and random_inputs throw.
std::vector<NamedArray> network_inputs(const CheckpointReader& network,
                                       const std::string& model_name,
                                       const NetworkInputFlags& flags);

// --nodes.
void add_nodes_option(Command& command, std::vector<std::string>& nodes, const std::string& help);

}  // namespace narrow
