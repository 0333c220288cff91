// The constants of a TensorFlow graph: the messages GraphDef, NodeDef, AttrValue and TensorProto of
// https://github.com/tensorflow/tensorflow/tree/master/tensorflow/core/framework.
#pragma once

#include <cstdint>
#include <vector>

#include "base/file.h"
#include "checkpoint/container/wire_cursor.h"
#include "narrow/tensor.h"

namespace narrow {

struct GraphConstant {
  TensorInfo info;
  FileRange tensor;   // the TensorProto
  FileRange content;  // the values as TensorStream gives them, if they lie there so
  // Elements in the field of the type, of those without `content`; the last one stands for all that
  // follow, and none for zeros.
  std::uint64_t stored_elements = 0;
};

// Reads the GraphDef in `file` but for values: the nodes Const of the graph under their names and
// those of its functions as FUNCTION/NODE, in the order of the file. Throws Error: kCorrupt, with
// byte or node, for what is no GraphDef or has not the values that a shape demands; kUnsupported
// for a graph with variables, whose values lie elsewhere, or without constants.
std::vector<GraphConstant> scan_graph_constants(const InputFile& file);

}  // namespace narrow
