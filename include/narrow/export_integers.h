// A quantized network for hardware and firmware: as a program in C, or as the integers that every
// step computes. docs/deploy.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "narrow/checkpoint.h"
#include "narrow/export.h"
#include "narrow/integer_arithmetic.h"
#include "narrow/overwrite.h"
#include "narrow/run_network.h"
#include "narrow/run_options.h"

namespace narrow {

struct IntegerExportOptions {
  std::string name = {};  // of the network in C, an identifier; empty: from the file's name
  IntegerArithmetic arithmetic = {};
};

// An array that goes into the network in C or comes out of it.
struct CArray {
  std::string value;      // of the graph
  std::string parameter;  // in C
  std::string c_type;
  Shape shape;  // of the graph; C has the channels of four axes last
  bool operator==(const CArray&) const = default;
};

struct CNetworkExport {
  std::string name;
  std::vector<std::filesystem::path> files;
  std::vector<CArray> inputs;
  std::vector<CArray> outputs;
  std::vector<std::string> before;  // nodes whose results are inputs: not part of it
  std::vector<std::string> after;   // nodes that compute with outputs
  std::uint64_t weight_bytes = 0;
  std::uint64_t constant_bytes = 0;  // with weights
  std::uint64_t memory_bytes = 0;
  std::uint64_t multiply_adds = 0;
  std::uint64_t tested_examples = 0;  // in NAME_test.c
};

// Writes NAME.h and NAME.c into the directory: a function in C99 that computes the codes of
// Execution::kInteger for one example, without a library and without floating-point operations.
// With arrays, which are named like the network's inputs and also give their sizes, NAME_test.c
// compares what it computes with the codes here, for as many examples as fit in about a megabyte.
// Files appear whole. Throws Error: kUnsupported naming the node that C does not have or the input
// whose sizes are free, kUsage for a name that is no identifier, kExists, what run_network throws.
NARROW_EXPORT CNetworkExport export_c_network(const CheckpointReader& network,
                                              std::span<const NamedArray> inputs,
                                              const IntegerExportOptions& options,
                                              const std::filesystem::path& directory,
                                              Overwrite overwrite, const RunOptions& run = {});

struct VectorsExport {
  std::filesystem::path manifest;
  std::uint64_t examples = 0;
  std::uint64_t values = 0;  // arrays
  std::uint64_t numbers = 0;
};

// Writes what every step in integers computes for these inputs into the directory, with weights,
// biases and sums of linear layers: arrays of NumPy, memory images of one code a line and
// vectors.json, which says what each array is. Throws as export_c_network does.
NARROW_EXPORT VectorsExport export_vectors(const CheckpointReader& network,
                                           std::span<const NamedArray> inputs,
                                           const IntegerExportOptions& options,
                                           const std::filesystem::path& directory,
                                           Overwrite overwrite, const RunOptions& run = {});

}  // namespace narrow
