// The nodes of an ONNX model without calls of its own functions, in an order in which they can be
// computed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "onnx_model.pb.h"

namespace narrow {

struct FlatNode {
  onnx::NodeProto node;
  std::int64_t opset = 0;  // of the node's domain where it stands; 0: the model does not say
  bool in_function = false;
};

// Whether it is ONNX's own domain.
bool is_onnx_domain(std::string_view domain);

// The nodes of `graph`, which is the model's or one of an attribute. Calls of functions are
// replaced by the functions' nodes, with names of nodes and values that begin with the call's.
// Throws Error(kCorrupt) for nodes in a circle, a value that two nodes make, or functions that call
// themselves, Error(kUnsupported) for too many nodes.
std::vector<FlatNode> flat_nodes(const onnx::ModelProto& model, const onnx::GraphProto& graph);

}  // namespace narrow
