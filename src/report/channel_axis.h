// The channel axes of a tensor in tables and JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "narrow/channel_axes.h"
#include "report/table/table.h"

namespace narrow {

// "3", "2,3"; empty without axes.
TableCell axis_cell(const std::optional<ChannelAxes>& axes);
// The column of these cells, which people see when there are any.
TableColumn axis_column(bool has_axes);

// Adds "axis": 3, or [2, 3] for axes that are the channels together; nothing without axes.
void add_axis(const std::optional<ChannelAxes>& axes, nlohmann::ordered_json& json);

}  // namespace narrow
