// A network as a table: what its operators are, and what they cost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace narrow {

// An input of the network, or one of its nodes.
struct GraphRow {
  std::string op;                    // ONNX's name, or "input"
  std::string name;                  // of the node
  std::string attributes;            // "7x7 /2 pad 3"
  std::string result;                // dimensions: "[N, 64, 112, 112]"
  std::uint64_t parameters = 0;      // elements of its weights
  std::uint64_t multiply_adds = 0;   // for one example; of linear operators whose sizes are known
  std::vector<std::string> weights;  // names of the checkpoint's tensors
  std::vector<std::size_t> sources;  // rows whose results it reads, each once, in ascending order
};

struct GraphTable {
  std::string name;            // of the network
  std::vector<GraphRow> rows;  // in an order in which they can be computed
  std::uint64_t parameters = 0;
  std::uint64_t multiply_adds = 0;
};

}  // namespace narrow
