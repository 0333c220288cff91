// A quantized network as one header and one source file in C99 that compute what IntegerExecutor
// computes, to the bit, without a library and without a floating-point operation.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "narrow/integer_arithmetic.h"
#include "nn/executor.h"
#include "nn/integer/quantized_steps.h"

namespace narrow {

// An input or an output in C: an array of codes, or of sums whose units are numbers.
struct CNetworkPort {
  ValueId id = kNoValue;  // in the graph whose operators on codes are expanded
  std::string value;      // of the graph: codes, or the numbers that the sums stand for
  std::string parameter;  // its name in C
  std::string c_type;
  Shape shape;           // in the graph; of four axes, C has the channels last
  IntegerFormat format;  // of codes
  // Of sums: what 1 stands for, by channel or one for all; empty for codes. The channels are the
  // last axis, of four axes the second one.
  std::vector<float> units;

  [[nodiscard]] bool is_codes() const { return units.empty(); }
  [[nodiscard]] std::uint64_t elements() const { return element_count(shape); }
};

struct CNetwork {
  std::string name;  // what all names in the header begin with
  std::string header;
  std::string source;
  std::vector<CNetworkPort> inputs;
  std::vector<CNetworkPort> outputs;
  std::vector<std::string> before;  // nodes that compute inputs in floating point: not part of it
  std::vector<std::string> after;   // nodes that compute with outputs
  std::uint64_t weight_bytes = 0;
  std::uint64_t constant_bytes = 0;  // with weights: biases, factors, tables
  std::uint64_t memory_bytes = 0;    // that the caller lends while it runs
  std::uint64_t multiply_adds = 0;
};

// `graph`: with all sizes known, one example. `name` is an identifier.
// Throws Error(kUnsupported) naming the node that integers in C do not have, kUsage for an
// arithmetic that contradicts itself; what IntegerExecutor throws.
CNetwork make_c_network(const Graph& graph, const ReadWeight& read_weight,
                        const IntegerArithmetic& arithmetic, const std::string& name);

// Elements of a port in the order that C has them, from the order of the graph.
template <typename T>
std::vector<T> in_c_order(const std::vector<T>& row_major, const Shape& shape) {
  if (shape.size() != 4) return row_major;
  const auto channels = static_cast<std::size_t>(shape[1]);
  const std::size_t pixels = static_cast<std::size_t>(shape[2] * shape[3]);
  std::vector<T> result(row_major.size());
  for (std::size_t i = 0; i < result.size(); ++i) {
    const std::size_t channel = i / pixels % channels;
    const std::size_t image = i / (pixels * channels);
    result[(image * pixels + i % pixels) * channels + channel] = row_major[i];
  }
  return result;
}

}  // namespace narrow
