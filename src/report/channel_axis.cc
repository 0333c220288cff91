#include "report/channel_axis.h"

namespace narrow {

TableCell axis_cell(const std::optional<ChannelAxes>& axes) {
  return axes ? TableCell(to_string(*axes)) : TableCell();
}

TableColumn axis_column(bool has_axes) {
  using enum TableColumn::Audience;
  return {"axis", "axis", CellStyle::kText, has_axes ? kAll : kPrograms};
}

}  // namespace narrow
