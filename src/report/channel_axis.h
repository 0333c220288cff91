// The channel axes of a tensor in tables.
#pragma once

#include <optional>

#include "narrow/channel_axes.h"
#include "report/table/table.h"

namespace narrow {

// "3", "2,3"; empty without axes.
TableCell axis_cell(const std::optional<ChannelAxes>& axes);
// The column of these cells, which people see when there are any.
TableColumn axis_column(bool has_axes);

}  // namespace narrow
