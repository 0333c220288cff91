// What lies where in an ONNX file: every tensor with the place of its values, and the links between
// nodes that tell what it is for. Everything else is only bytes between these places.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "checkpoint/container/wire_cursor.h"
#include "checkpoint/onnx/onnx_types.h"
#include "narrow/tensor.h"

namespace narrow {

// Protobuf neither writes nor parses a message of so many bytes:
// https://protobuf.dev/programming-guides/proto-limits/
inline constexpr std::uint64_t kMostMessageBytes = std::uint64_t{1} << 31;

inline constexpr std::size_t kNoMessage = SIZE_MAX;

// A field with a length in front that holds values of tensors: when these take another number of
// bytes, so does it, and its length is another.
struct OnnxMessage {
  std::uint64_t length_at = 0;  // where the length lies
  FileRange content;
  std::size_t parent = kNoMessage;  // the message around it; kNoMessage: the file
};

enum class OnnxStorage : std::uint8_t {
  kNothing,   // a tensor without elements
  kBytes,     // values as TensorStream gives them
  kVarints,   // numbers of variable length, without or with a tag before each
  kFixed,     // numbers of fixed length with a tag before each
  kStrings,   // each with tag and length
  kExternal,  // in another file
};

// Where external data lies, as the file has it.
struct OnnxExternal {
  std::string location;
  std::optional<std::uint64_t> offset;
  std::optional<std::uint64_t> length;
  bool has_checksum = false;
  FileRange fields;  // in the TensorProto
};

struct OnnxTensor {
  TensorInfo info;
  OnnxStorage storage = OnnxStorage::kNothing;
  OnnxField field = OnnxField::kNone;
  FileRange values;  // with their tags if is_tagged
  bool is_tagged = false;
  bool is_signed = false;            // of kVarints
  std::uint32_t entry_bytes = 1;     // that one number stands for
  std::uint64_t stored_bytes = 0;    // of all values as TensorStream gives them
  std::size_t message = kNoMessage;  // the innermost one around `values` and `external.fields`
  OnnxExternal external;
};

// A node of which weights may be an input, or through which they reach one.
struct OnnxNode {
  enum class Kind : std::uint8_t {
    kConv,
    kConvTranspose,
    kGemm,
    kMatMul,
    kGather,
    // The first input passes through.
    kSameAxes,
    kTranspose,
    kReshape,
  };
  Kind kind = Kind::kConv;
  std::vector<std::string> inputs;
  std::string output;
  bool transposes_a = false;
  bool transposes_b = false;
  std::vector<std::int64_t> permutation;  // empty: axes are reversed
};

struct OnnxGraph {
  std::optional<std::size_t> parent;  // the graph that a subgraph lies in
  std::vector<OnnxNode> nodes;
  std::unordered_map<std::string, std::size_t> tensors;  // by the names of values
};

// An entry of metadata_props.
struct OnnxProperty {
  std::string key;
  std::string value;
  FileRange field;  // with its tag
};

struct OnnxLayout {
  std::vector<OnnxMessage> messages;
  std::vector<OnnxTensor> tensors;  // in the order of their values in the file
  std::vector<OnnxGraph> graphs;    // the main one first
  std::vector<OnnxProperty> properties;
  std::uint64_t properties_end = 0;  // where another one belongs
};

}  // namespace narrow
