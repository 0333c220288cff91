#include "report/network_report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "report/quantize_report.h"
#include "report/table/numbers.h"

namespace narrow {
namespace {

using nlohmann::ordered_json;

// Adds a column to the table of tensors, whose rows are in the order of the result.
void add_original_errors(const NetworkResult& result, Table& table) {
  table.columns.push_back({"original_relative_l2", "in original units", CellStyle::kShort});
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const auto found = result.original_errors.find(result.quantization.tensors[i].info.name);
    TableCell cell;
    if (found != result.original_errors.end()) cell = found->second.relative_l2();
    table.rows[i].push_back(std::move(cell));
  }
}

std::string source_of(const NetworkResult& result) {
  if (result.images == 0) return "estimated without images";
  return fmt::format("measured with {} images", result.images);
}

Table layer_table(const NetworkResult& result) {
  Table table;
  table.name = "layers";
  table.title = "Layers";
  table.columns = {{"output_error", "output error", CellStyle::kShort},
                   {"layer", "layer", CellStyle::kText}};
  for (const LayerCost& layer : result.layers) table.add_row({layer.output_error, layer.layer});
  return table;
}

}  // namespace

std::string network_summary_text(const NetworkResult& result) {
  std::string text;
  if (result.original.quantized > 0) {
    text += fmt::format(
        "in units of the checkpoint:\n"
        "relative error: minimum {}\n"
        "                maximum {}\n"
        "                average {}\n"
        "                pooled  {}\n",
        format_ratio(result.original.min_relative_l2),
        format_ratio(result.original.max_relative_l2),
        format_ratio(result.original.mean_relative_l2),
        format_ratio(result.original.pooled.relative_l2()));
  }
  if (result.layers.empty()) return text;
  return text + fmt::format(
                    "output error of {} layers ({}):\n"
                    "                maximum {}\n"
                    "                average {}\n",
                    result.layers.size(), source_of(result),
                    format_ratio(result.max_output_error()),
                    format_ratio(result.mean_output_error()));
}

ordered_json network_json(const NetworkResult& result) {
  ordered_json json = quantize_json(result.quantization);
  json["network"] = result.network;
  for (ordered_json& tensor : json["tensors"]) {
    const auto found = result.original_errors.find(tensor["name"].get<std::string>());
    if (found == result.original_errors.end()) continue;
    tensor["original_relative_l2"] = json_number(found->second.relative_l2());
    tensor["original_sqnr_db"] = json_number(found->second.sqnr_db());
  }
  ordered_json layers = ordered_json::array();
  for (const LayerCost& layer : result.layers) {
    layers.push_back({{"layer", layer.layer}, {"output_error", json_number(layer.output_error)}});
  }
  json["layers"] = std::move(layers);
  json["summary"]["original_relative_l2"] = {
      {"min", json_number(result.original.min_relative_l2)},
      {"max", json_number(result.original.max_relative_l2)},
      {"mean", json_number(result.original.mean_relative_l2)},
      {"pooled", json_number(result.original.pooled.relative_l2())}};
  json["summary"]["output_error"] = {{"max", json_number(result.max_output_error())},
                                     {"mean", json_number(result.mean_output_error())},
                                     {"images", result.images}};
  return json;
}

Report network_report(const NetworkResult& result, const std::string& method, ordered_json json) {
  Report report = quantize_report(result.quantization, method, std::move(json));
  report.facts.emplace_back("relative error, average, in units of the checkpoint",
                            format_ratio(result.original.mean_relative_l2));
  add_original_errors(result, report.tables.front());
  if (result.layers.empty()) return report;
  report.facts.emplace_back(fmt::format("output error of a layer, average ({})", source_of(result)),
                            format_ratio(result.mean_output_error()));
  report.tables.push_back(layer_table(result));
  return report;
}

}  // namespace narrow
