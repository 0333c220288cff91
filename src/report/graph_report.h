// The network that a checkpoint holds.
#pragma once

#include <string>

#include "narrow/checkpoint.h"
#include "narrow/graph_table.h"
#include "report/report.h"

namespace narrow {

// One row a node and a line of totals. Names of weights are shown less the node's name.
std::string graph_text(const GraphTable& graph);
nlohmann::ordered_json graph_json(const CheckpointLocation& location, const GraphTable& graph);
// For exports.
Report graph_report(const CheckpointLocation& location, const GraphTable& graph);

}  // namespace narrow
