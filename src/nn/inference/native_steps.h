// Steps of the program in place of reference operators. Internal to this folder.
#pragma once

#include "graph/graph.h"
#include "nn/inference/program_values.h"

namespace narrow {

// Each of them adds the steps of the node and defines its results, or returns false and has added
// at most other layouts of what the node reads when there is nothing fast for it; dnnl::error means
// the same. No value of the node is empty, or of a size that is
// only known when the program runs.
bool add_view_step(ProgramValues& values, const Node& node);
bool add_pool_step(ProgramValues& values, const Node& node);
bool add_elementwise_step(ProgramValues& values, const Node& node);
bool add_choice_step(ProgramValues& values, const Node& node);
bool add_norm_step(ProgramValues& values, const Node& node);
bool add_matrix_step(ProgramValues& values, const Node& node);
bool add_movement_step(ProgramValues& values, const Node& node);
bool add_pad_step(ProgramValues& values, const Node& node);
bool add_reduce_step(ProgramValues& values, const Node& node);
bool add_resize_step(ProgramValues& values, const Node& node);

// Whether the node's first input and its result are arrays of one type, whose elements are 1, 2, 4
// or 8 bytes: for steps that only move them.
bool moves_whole_elements(const ProgramValues& values, const Node& node);

}  // namespace narrow
