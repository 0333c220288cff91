#include "report/run_report.h"

#include <fmt/format.h>

#include "base/utf8.h"
#include "report/checkpoint_report.h"
#include "report/table/numbers.h"
#include "report/table/table_formats.h"

namespace narrow {
namespace {

using nlohmann::ordered_json;
using enum CellStyle;

Table arrays_table(std::string name, std::string title, const std::vector<NamedArray>& arrays) {
  Table table{std::move(name),
              std::move(title),
              {{"name", "name"},
               {"dtype", "dtype"},
               {"shape", "shape"},
               {"min", "min", kShort},
               {"max", "max", kShort},
               {"mean", "mean", kShort},
               {"non_finite", "not finite", kInteger}},
              {}};
  for (const TensorInspection& array : inspect_arrays(arrays)) {
    std::vector<TableCell> row = {array.info.name, std::string(array.info.type_name()),
                                  to_string(array.info.shape)};
    if (array.statistics.has_value()) {
      const TensorStatistics& stats = *array.statistics;
      row.insert(row.end(), {stats.min, stats.max, stats.mean, stats.non_finite});
    }
    row.resize(table.columns.size());
    table.add_row(std::move(row));
  }
  return table;
}

std::vector<Table> tables_of(const NetworkRun& run) {
  std::vector<Table> tables = {arrays_table("outputs", "Outputs", run.outputs)};
  if (!run.nodes.empty()) tables.push_back(arrays_table("nodes", "Values inside", run.nodes));
  return tables;
}

Table node_times_table(const NetworkRun& run) {
  Table table{"node_times",
              "Time by node",
              {{"operator", "operator"},
               {"name", "node"},
               {"seconds", "seconds", kShort},
               {"share", "share", kPercent}},
              {}};
  for (const ProfileRow& row : run.node_times) {
    table.add_row({row.op, row.name, row.seconds, row.share});
  }
  return table;
}

Table operator_times_table(const NetworkRun& run) {
  Table table{"operator_times",
              "Time by operator",
              {{"operator", "operator"},
               {"nodes", "nodes", kInteger},
               {"seconds", "seconds", kShort},
               {"share", "share", kPercent}},
              {}};
  for (const ProfileRow& row : run.operator_times) {
    table.add_row({row.op, row.nodes, row.seconds, row.share});
  }
  return table;
}

Table comparison_table(std::string name, std::string title,
                       const CheckpointComparison& comparison) {
  Table table{std::move(name),
              std::move(title),
              {{"name", "name"},
               {"dtype", "dtype"},
               {"shape", "shape"},
               {"sqnr_db", "SQNR dB", kDecibel},
               {"cosine", "cosine", kShort},
               {"relative_l2", "relative error", kShort},
               {"max_abs_error", "largest |d|", kShort}},
              {}};
  for (const TensorComparison& array : comparison.tensors) {
    std::vector<TableCell> row = {array.reference.name, std::string(array.reference.type_name()),
                                  to_string(array.reference.shape)};
    if (array.comparable) {
      row.insert(row.end(), {array.errors.sqnr_db(), array.errors.cosine(), array.relative_l2(),
                             array.errors.max_abs_d});
    }
    row.resize(table.columns.size());
    table.add_row(std::move(row));
  }
  return table;
}

std::vector<Table> tables_of(const OutputComparison& comparison) {
  std::vector<Table> tables;
  if (!comparison.nodes.tensors.empty()) {
    tables.push_back(comparison_table("nodes", "Values inside", comparison.nodes));
  }
  tables.push_back(comparison_table("outputs", "Outputs", comparison.outputs));
  return tables;
}

std::string lonely_text(const CheckpointComparison& comparison) {
  std::string text;
  for (const std::string& name : comparison.only_reference) {
    text += fmt::format("only in the first: {}\n", shown(name));
  }
  for (const std::string& name : comparison.only_other) {
    text += fmt::format("only in the second: {}\n", shown(name));
  }
  return text;
}

std::string not_comparable_text(const CheckpointComparison& comparison) {
  std::string text;
  for (const TensorComparison& array : comparison.tensors) {
    if (array.comparable) continue;
    text += fmt::format("not comparable: {} is {} in the first and {} in the second\n",
                        shown(array.reference.name), to_string(array.reference.shape),
                        to_string(array.other.shape));
  }
  return text;
}

ordered_json rows_json(const CheckpointComparison& comparison) {
  ordered_json rows = ordered_json::array();
  for (const TensorComparison& array : comparison.tensors) {
    rows.push_back(tensor_comparison_json(array));
  }
  return rows;
}

std::string first_difference_text(const OutputComparison& comparison) {
  if (!comparison.first_difference) return "all values are the same\n";
  return fmt::format("first difference: {}\n", shown(*comparison.first_difference));
}

}  // namespace

std::string run_text(const NetworkRun& run) {
  std::string text;
  for (const Table& table : tables_of(run)) text += table_text(table);
  return text + fmt::format("{}: {} {} in {} s, {} a second, peak memory {}\n", shown(run.network),
                            run.examples, run.examples == 1 ? "example" : "examples",
                            format_short(run.median_seconds()),
                            format_short(run.examples_per_second()),
                            format_short_bytes(static_cast<double>(run.peak_memory_bytes)));
}

std::string profile_text(const NetworkRun& run) {
  return table_text(node_times_table(run)) + table_text(operator_times_table(run));
}

ordered_json run_json(const CheckpointLocation& location, const NetworkRun& run) {
  const std::vector<Table> tables = tables_of(run);
  ordered_json json = {{"schema", 1},
                       {"format", to_string(location.format)},
                       {"path", location.path.string()},
                       {"network", run.network},
                       {"execution", to_string(run.execution)},
                       {"requantization", nullptr},
                       {"batching", to_string(run.batching)},
                       {"examples", run.examples},
                       {"outputs", table_json(tables[0])}};
  if (run.execution == Execution::kInteger) json["requantization"] = to_text(run.arithmetic);
  if (tables.size() > 1) json["nodes"] = table_json(tables[1]);
  if (!run.node_times.empty()) {
    json["node_times"] = table_json(node_times_table(run));
    json["operator_times"] = table_json(operator_times_table(run));
  }
  json["preparation_seconds"] = run.preparation_seconds;
  json["seconds"] = run.seconds;
  json["median_seconds"] = run.median_seconds();
  json["examples_per_second"] = run.examples_per_second();
  json["peak_memory_bytes"] = run.peak_memory_bytes;
  return json;
}

Report run_report(const CheckpointLocation& location, const NetworkRun& run) {
  Report report;
  report.title = fmt::format("Outputs of {}", run.network);
  report.facts = {{"network", location.path.string()},
                  {"examples", std::to_string(run.examples)},
                  {"examples a second", format_short(run.examples_per_second())},
                  {"peak memory", format_bytes(run.peak_memory_bytes)}};
  report.tables = tables_of(run);
  if (!run.node_times.empty()) {
    report.tables.push_back(node_times_table(run));
    report.tables.push_back(operator_times_table(run));
  }
  report.json = run_json(location, run);
  return report;
}

std::string output_comparison_text(const OutputComparison& comparison) {
  std::string text;
  for (const Table& table : tables_of(comparison)) text += table_text(table);
  text += lonely_text(comparison.nodes) + lonely_text(comparison.outputs);
  text += not_comparable_text(comparison.nodes) + not_comparable_text(comparison.outputs);
  return text + first_difference_text(comparison);
}

ordered_json output_comparison_json(const OutputComparison& comparison) {
  ordered_json json = {{"schema", 1}, {"outputs", rows_json(comparison.outputs)}};
  if (!comparison.nodes.tensors.empty()) json["nodes"] = rows_json(comparison.nodes);
  json["only_reference"] = comparison.outputs.only_reference;
  json["only_other"] = comparison.outputs.only_other;
  json["first_difference"] = nullptr;
  if (comparison.first_difference) json["first_difference"] = *comparison.first_difference;
  json["summary"] = {{"sqnr_db", {{"min", json_number(comparison.min_sqnr_db())}}},
                     {"relative_l2", {{"max", json_number(comparison.max_relative_l2())}}}};
  return json;
}

Report output_comparison_report(const OutputComparison& comparison) {
  Report report;
  report.title = "Comparison of two networks' outputs";
  report.facts = {{"least SQNR", format_decibel(comparison.min_sqnr_db())},
                  {"greatest relative error", format_ratio(comparison.max_relative_l2())},
                  {"first difference", comparison.first_difference.value_or("none")}};
  report.tables = tables_of(comparison);
  report.json = output_comparison_json(comparison);
  return report;
}

}  // namespace narrow
