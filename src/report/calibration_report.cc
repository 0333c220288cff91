#include "report/calibration_report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "report/table/numbers.h"
#include "report/table/table_formats.h"

namespace narrow {
namespace {

Table layer_table(const CalibrationResult& result) {
  Table table;
  table.name = "layers";
  table.title = "Layers";
  table.columns = {{"mean_shift", "mean shift", CellStyle::kShort},
                   {"spread_shift", "spread shift", CellStyle::kShort},
                   {"layer", "layer", CellStyle::kText}};
  for (const LayerCalibration& layer : result.layers) {
    table.add_row({layer.mean_shift, layer.spread_shift, layer.layer});
  }
  return table;
}

}  // namespace

std::string calibration_text(const CalibrationResult& result, const CalibrationImages& images) {
  return fmt::format(
      "{}: statistics of {} layers from {} images of {} ({})\n"
      "means moved by     {} of their deviations (root mean square)\n"
      "deviations changed by e^{} (root mean square)\n"
      "{:.3f} s\n",
      result.network, result.layers.size(), result.images, images.source.name(),
      images.source.split(), format_short(result.mean_shift()), format_short(result.spread_shift()),
      result.seconds);
}

Report calibration_report(const CalibrationResult& result, const CalibrationImages& images,
                          const CheckpointLocation& input, const CheckpointLocation& output) {
  Report report;
  report.title = "Calibrated: " + result.network;
  report.facts = {{"checkpoint", input.path.string()},
                  {"images", fmt::format("{} of {} ({})", result.images, images.source.name(),
                                         images.source.split())},
                  {"mean shift", format_short(result.mean_shift())},
                  {"spread shift", format_short(result.spread_shift())}};
  report.tables.push_back(layer_table(result));
  report.json = {{"schema", 1},
                 {"network", result.network},
                 {"images", result.images},
                 {"dataset_name", images.source.name()},
                 {"dataset_split_name", images.source.split()},
                 {"layers", table_json(report.tables.front())},
                 {"summary",
                  {{"mean_shift", json_number(result.mean_shift())},
                   {"spread_shift", json_number(result.spread_shift())},
                   {"seconds", result.seconds}}},
                 {"input", input.path.string()},
                 {"output", output.path.string()}};
  return report;
}

}  // namespace narrow
