#include "report/checkpoint_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/utf8.h"
#include "report/table/numbers.h"
#include "report/table/table_formats.h"

namespace narrow {
namespace {

using nlohmann::ordered_json;

struct Totals {
  std::uint64_t elements = 0;
  std::uint64_t bytes = 0;
};

// "float32", and "Q4_K (float32)" of values that are computed from codes as they are read.
std::string inspected_type(const TensorInfo& info) {
  if (info.stored_as.empty()) return std::string(info.type_name());
  return fmt::format("{} ({})", info.stored_as, info.type_name());
}

// By type and its name, in order of the type's number.
std::map<std::pair<DType, std::string>, Totals> totals_by_type(
    const std::vector<TensorInspection>& tensors) {
  std::map<std::pair<DType, std::string>, Totals> totals;
  for (const TensorInspection& tensor : tensors) {
    Totals& total = totals[{tensor.info.dtype, inspected_type(tensor.info)}];
    total.elements += element_count(tensor.info.shape);
    total.bytes += tensor.bytes;
  }
  return totals;
}

// "float32[3, 3]" when the two agree, "float32[3] / float32[4]" when not.
std::string types_text(const TensorComparison& tensor) {
  const auto describe = [](const TensorInfo& info) {
    return fmt::format("{}{}", info.type_name(), to_string(info.shape));
  };
  std::string text = describe(tensor.reference);
  if (tensor.other.type_name() != tensor.reference.type_name() ||
      tensor.other.shape != tensor.reference.shape) {
    text += " / " + describe(tensor.other);
  }
  return text;
}

// "w", or "w / layer.weight" of tensors that belong together under two names.
std::string names_text(const TensorComparison& tensor) {
  if (tensor.other.name == tensor.reference.name) return tensor.reference.name;
  return tensor.reference.name + " / " + tensor.other.name;
}

Table inspection_table(const std::vector<TensorInspection>& tensors) {
  using enum CellStyle;
  Table table{
      "tensors",
      "Tensors",
      {{"name", "tensor"}, {"dtype", "dtype"}, {"shape", "shape"}, {"bytes", "bytes", kInteger}},
      {}};
  if (std::ranges::any_of(tensors,
                          [](const auto& tensor) { return tensor.statistics.has_value(); })) {
    table.columns.insert(table.columns.end(), {{"min", "min", kShort},
                                               {"max", "max", kShort},
                                               {"mean", "mean", kShort},
                                               {"rms", "rms", kShort},
                                               {"zeros", "zeros", kInteger},
                                               {"non_finite", "not finite", kInteger}});
  }
  for (const TensorInspection& tensor : tensors) {
    std::vector<TableCell> row = {tensor.info.name, inspected_type(tensor.info),
                                  to_string(tensor.info.shape), tensor.bytes};
    if (tensor.statistics.has_value()) {
      const TensorStatistics& stats = *tensor.statistics;
      row.insert(row.end(),
                 {stats.min, stats.max, stats.mean, stats.rms, stats.zeros, stats.non_finite});
    }
    row.resize(table.columns.size());
    table.add_row(std::move(row));
  }
  return table;
}

Table comparison_table(const CheckpointComparison& comparison, bool all) {
  using enum CellStyle;
  Table table{"tensors",
              "Tensors",
              {{"name", "tensor"},
               {"type", "type"},
               {"relative_l2", "relative error", kShort},
               {"sqnr_db", "SQNR dB", kFixed2},
               {"max_abs_error", "largest |d|", kShort}},
              {}};
  for (const TensorComparison& tensor : comparison.tensors) {
    if (tensor.identical && !all) continue;
    std::vector<TableCell> row = {names_text(tensor), types_text(tensor)};
    if (tensor.comparable) {
      row.insert(row.end(),
                 {tensor.relative_l2(), tensor.errors.sqnr_db(), tensor.errors.max_abs_d});
    } else {
      row.emplace_back("not comparable");
    }
    row.resize(table.columns.size());
    table.add_row(std::move(row));
  }
  return table;
}

}  // namespace

std::string inspection_text(const std::vector<TensorInspection>& tensors) {
  std::string text = table_text(inspection_table(tensors));
  std::uint64_t elements = 0;
  std::uint64_t bytes = 0;
  for (const auto& [type, total] : totals_by_type(tensors)) {
    elements += total.elements;
    bytes += total.bytes;
    text += fmt::format("{}: {} elements, {}\n", type.second, total.elements,
                        format_bytes(total.bytes));
  }
  return text + fmt::format("{} tensors, {} elements, {}\n", tensors.size(), elements,
                            format_bytes(bytes));
}

ordered_json inspection_json(const CheckpointLocation& location,
                             const std::vector<TensorInspection>& tensors) {
  ordered_json rows = ordered_json::array();
  std::uint64_t elements = 0;
  std::uint64_t bytes = 0;
  for (const TensorInspection& tensor : tensors) {
    ordered_json row = {{"name", tensor.info.name},
                        {"dtype", tensor.info.type_name()},
                        {"shape", tensor.info.shape},
                        {"elements", element_count(tensor.info.shape)},
                        {"bytes", tensor.bytes}};
    if (!tensor.info.stored_as.empty()) row["stored_as"] = tensor.info.stored_as;
    if (tensor.statistics.has_value()) {
      const TensorStatistics& stats = *tensor.statistics;
      row["statistics"] = {{"count", stats.count},
                           {"min", stats.min},
                           {"max", stats.max},
                           {"mean", stats.mean},
                           {"rms", stats.rms},
                           {"zeros", stats.zeros},
                           {"non_finite", stats.non_finite}};
    }
    elements += element_count(tensor.info.shape);
    bytes += tensor.bytes;
    rows.push_back(std::move(row));
  }
  return {{"schema", 1},
          {"format", to_string(location.format)},
          {"path", location.path.string()},
          {"tensors", std::move(rows)},
          {"summary", {{"tensors", tensors.size()}, {"elements", elements}, {"bytes", bytes}}}};
}

std::string comparison_text(const CheckpointComparison& comparison, bool all) {
  const Table table = comparison_table(comparison, all);
  std::string text = table.rows.empty() ? "" : table_text(table);
  for (const std::string& name : comparison.only_reference) {
    text += fmt::format("only in the first: {}\n", shown(name));
  }
  for (const std::string& name : comparison.only_other) {
    text += fmt::format("only in the second: {}\n", shown(name));
  }
  text += fmt::format(
      "{} tensors in both, {} identical, {} only in the first, {} only in the "
      "second\n",
      comparison.tensors.size(), comparison.identical, comparison.only_reference.size(),
      comparison.only_other.size());
  return text + fmt::format(
                    "relative error: maximum {}\n                pooled  {}\nSQNR {}, "
                    "largest |d| {}\n",
                    format_ratio(comparison.max_relative_l2),
                    format_ratio(comparison.pooled.relative_l2()),
                    format_decibel(comparison.pooled.sqnr_db()),
                    format_short(comparison.pooled.max_abs_d));
}

ordered_json tensor_comparison_json(const TensorComparison& tensor) {
  ordered_json json = {
      {"name", tensor.reference.name},     {"dtype", tensor.reference.type_name()},
      {"shape", tensor.reference.shape},   {"other_dtype", tensor.other.type_name()},
      {"other_shape", tensor.other.shape}, {"comparable", tensor.comparable},
      {"identical", tensor.identical}};
  if (tensor.other.name != tensor.reference.name) json["other_name"] = tensor.other.name;
  if (!tensor.comparable) return json;
  json["relative_l2"] = json_number(tensor.relative_l2());
  json["sqnr_db"] = json_number(tensor.errors.sqnr_db());
  json["max_abs_error"] = json_number(tensor.errors.max_abs_d);
  json["bias"] = json_number(tensor.errors.bias());
  json["cosine"] = json_number(tensor.errors.cosine());
  json["non_finite_differences"] = tensor.non_finite_differences;
  return json;
}

ordered_json comparison_json(const CheckpointComparison& comparison) {
  ordered_json tensors = ordered_json::array();
  for (const TensorComparison& tensor : comparison.tensors) {
    tensors.push_back(tensor_comparison_json(tensor));
  }
  return {{"schema", 1},
          {"tensors", std::move(tensors)},
          {"only_reference", comparison.only_reference},
          {"only_other", comparison.only_other},
          {"summary",
           {{"tensors", comparison.tensors.size()},
            {"identical", comparison.identical},
            {"relative_l2",
             {{"max", json_number(comparison.max_relative_l2)},
              {"pooled", json_number(comparison.pooled.relative_l2())}}},
            {"sqnr_db", json_number(comparison.pooled.sqnr_db())},
            {"max_abs_error", json_number(comparison.pooled.max_abs_d)}}}};
}

Report inspection_report(const CheckpointLocation& location,
                         const std::vector<TensorInspection>& tensors) {
  Report report;
  report.title = fmt::format("Tensors of {}", location.path.string());
  report.json = inspection_json(location, tensors);
  for (const auto& [type, total] : totals_by_type(tensors)) {
    report.facts.emplace_back(
        type.second, fmt::format("{} elements, {}", total.elements, format_bytes(total.bytes)));
  }
  report.tables.push_back(inspection_table(tensors));
  return report;
}

Report comparison_report(const CheckpointComparison& comparison, bool all) {
  Report report;
  report.title = "Comparison of two checkpoints";
  report.json = comparison_json(comparison);
  report.facts = {
      {"tensors in both", fmt::format("{}", comparison.tensors.size())},
      {"identical", fmt::format("{}", comparison.identical)},
      {"only in the first", fmt::format("{}", fmt::join(comparison.only_reference, ", "))},
      {"only in the second", fmt::format("{}", fmt::join(comparison.only_other, ", "))},
      {"relative error, maximum", format_ratio(comparison.max_relative_l2)},
      {"relative error, pooled", format_ratio(comparison.pooled.relative_l2())},
      {"SQNR", format_decibel(comparison.pooled.sqnr_db())}};
  report.tables.push_back(comparison_table(comparison, all));
  return report;
}

}  // namespace narrow
