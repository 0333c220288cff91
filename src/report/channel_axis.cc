#include "report/channel_axis.h"

#include <nlohmann/json.hpp>

namespace narrow {

TableCell axis_cell(const std::optional<ChannelAxes>& axes) {
  return axes ? TableCell(to_string(*axes)) : TableCell();
}

TableColumn axis_column(bool has_axes) {
  using enum TableColumn::Audience;
  return {"axis", "axis", CellStyle::kText, has_axes ? kAll : kPrograms};
}

void add_axis(const std::optional<ChannelAxes>& axes, nlohmann::ordered_json& json) {
  if (!axes) return;
  if (axes->count == 1) {
    json["axis"] = axes->first;
    return;
  }
  json["axis"] = nlohmann::ordered_json::array();
  for (int i = 0; i < axes->count; ++i) json["axis"].push_back(axes->first + i);
}

}  // namespace narrow
