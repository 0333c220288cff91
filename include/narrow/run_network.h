// A network on arrays: its outputs, values inside it, and how long it takes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "narrow/checkpoint.h"
#include "narrow/execution.h"
#include "narrow/export.h"
#include "narrow/inspect_checkpoint.h"
#include "narrow/integer_arithmetic.h"
#include "narrow/run_options.h"

namespace narrow {

struct NamedArray {
  TensorInfo info;
  std::vector<std::byte> values;  // row-major, little-endian
  bool operator==(const NamedArray&) const = default;
};

// The arrays of an NPZ file. An array named `labels` is left out: it says what is right.
// Throws Error(kUnsupported) for a file that is no NPZ file or values that are not computed with,
// what open_checkpoint throws.
NARROW_EXPORT std::vector<NamedArray> read_arrays(const std::filesystem::path& path);

// Adds the arrays to a new checkpoint and finishes it; bfloat16 as float32. Throws what the writer
// throws.
NARROW_EXPORT void write_arrays(CheckpointWriter& writer, std::span<const NamedArray> arrays);

// Type, shape and statistics of each.
NARROW_EXPORT std::vector<TensorInspection> inspect_arrays(std::span<const NamedArray> arrays);

// How the first axis of the inputs goes through the network.
enum class Batching {
  kWhole,        // all of it at once
  kIndependent,  // in groups of any size: every example goes through by itself
  kOneByOne,     // the network is made for one example, and is run for each
};

// "whole", "independent", "one-by-one".
NARROW_EXPORT std::string_view to_string(Batching batching) noexcept;

struct RunNetworkOptions {
  // Of a checkpoint that holds variables only, as narrow/evaluate.h has it; a file that says what
  // its network is needs none.
  std::string model_name = {};
  // Shell patterns over names of nodes and values: what is wanted besides the outputs.
  std::vector<std::string> nodes = {};
  // Timed runs, after one that is not; 0: one run, whose time is all there is.
  int repeat = 0;
  bool profile = false;  // also the time of every node
  Execution execution = Execution::kDefault;
  IntegerArithmetic arithmetic = {};  // of Execution::kInteger
  // Whether floating point is an Error(kUsage), since the arithmetic says nothing there.
  bool needs_integers = false;
};

// The time of a node, or of all nodes of an operator, in one run: added up over threads.
struct ProfileRow {
  std::string op;
  std::string name;         // of the node; empty for an operator
  std::uint64_t nodes = 1;  // of the operator
  double seconds = 0;
  double share = 0;  // of all
};

struct NARROW_EXPORT NetworkRun {
  std::string network;
  std::vector<NamedArray> outputs;          // in the order of the network
  std::vector<NamedArray> nodes;            // in the order of execution, without outputs
  Execution execution = Execution::kFloat;  // not kDefault
  IntegerArithmetic arithmetic = {};
  Batching batching = Batching::kWhole;
  std::uint64_t examples = 0;              // the first dimension that all inputs share, else 1
  double preparation_seconds = 0;          // reading the network and making it ready
  std::vector<double> seconds;             // of the timed runs
  std::uint64_t peak_memory_bytes = 0;     // of the whole process
  std::vector<ProfileRow> node_times;      // in the order of execution
  std::vector<ProfileRow> operator_times;  // the longest first

  [[nodiscard]] double median_seconds() const;
  [[nodiscard]] double examples_per_second() const;
};

// Runs the network of an ONNX file, or the ResNet V1 whose variables a checkpoint holds, on arrays
// named like its inputs. Networks with float16 or bfloat16 are computed in float32, and outputs
// rounded to the types that they declare; float32 arrays are taken for such inputs too. A first
// dimension that is 1 in the network is made free where the examples are independent. The observer
// is told of both. The result is the same for every number of threads.
// Throws Error: kUsage for an array that no input is named like, kNotFound for an input without
// array or a pattern that nothing matches, kUnsupported for a wrong type or shape, an operator that
// is not computed, each naming the input or node; what reading the checkpoint throws; kInterrupted.
NARROW_EXPORT NetworkRun run_network(const CheckpointReader& network,
                                     std::span<const NamedArray> inputs,
                                     const RunNetworkOptions& options, const RunOptions& run = {});

// Arrays for every input of the network, a function of the seed and the inputs' names: real numbers
// from -1 to 1, integers 0 and 1. `shapes` by input; needed for those that have free dimensions,
// but for the first, which is 1 then.
// Throws Error: kUsage for a shape that is missing, does not fit or is of no input; what reading
// the network throws.
NARROW_EXPORT std::vector<NamedArray> random_inputs(const CheckpointReader& network,
                                                    const std::string& model_name,
                                                    const std::map<std::string, Shape>& shapes,
                                                    std::uint64_t seed);

}  // namespace narrow
