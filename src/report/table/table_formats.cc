#include "report/table/table_formats.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "report/numbers.h"
#include "report/text_table.h"

namespace narrow {
namespace {

using nlohmann::ordered_json;
using Audience = TableColumn::Audience;

std::string csv_cell(const TableCell& cell) {
  if (const auto* text = std::get_if<std::string>(&cell)) return csv_field(*text);
  if (const auto* integer = std::get_if<std::uint64_t>(&cell)) return fmt::format("{}", *integer);
  if (const auto* number = std::get_if<double>(&cell)) return fmt::format("{}", *number);
  return "";
}

ordered_json json_cell(const TableCell& cell) {
  if (const auto* text = std::get_if<std::string>(&cell)) return *text;
  if (const auto* integer = std::get_if<std::uint64_t>(&cell)) return *integer;
  if (const auto* number = std::get_if<double>(&cell)) return json_number(*number);
  return nullptr;
}

}  // namespace

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + '"';
}

std::string markdown_text(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\n') {
      escaped += ' ';
      continue;
    }
    if (c == '|' || c == '*' || c == '_' || c == '`' || c == '<' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::string table_text(const Table& table) {
  std::vector<std::size_t> order = columns_for(table, Audience::kPeople);
  const auto tail = std::stable_partition(
      order.begin(), order.end(), [&](std::size_t c) { return !table.columns[c].last_in_text; });
  std::reverse(tail, order.end());
  std::vector<TextTable::Column> columns;
  for (const std::size_t c : order) {
    const TableColumn& column = table.columns[c];
    columns.push_back({column.title, is_numeric(column.style) ? TextTable::Align::kRight
                                                              : TextTable::Align::kLeft});
  }
  TextTable text(std::move(columns));
  for (const auto& row : table.rows) {
    std::vector<std::string> cells;
    for (const std::size_t c : order) cells.push_back(cell_text(row[c], table.columns[c].style));
    text.add_row(std::move(cells));
  }
  return text.text();
}

std::string table_csv(const Table& table) {
  const std::vector<std::size_t> order = columns_for(table, Audience::kPrograms);
  std::string text;
  const auto add_line = [&](const auto& field_of) {
    for (std::size_t i = 0; i < order.size(); ++i) {
      text += (i == 0 ? "" : ",") + field_of(order[i]);
    }
    text += '\n';
  };
  add_line([&](std::size_t c) { return csv_field(table.columns[c].name); });
  for (const auto& row : table.rows) {
    add_line([&](std::size_t c) { return csv_cell(row[c]); });
  }
  return text;
}

std::string table_markdown(const Table& table) {
  const std::vector<std::size_t> order = columns_for(table, Audience::kPeople);
  std::string text =
      table.title.empty() ? "" : fmt::format("## {}\n\n", markdown_text(table.title));
  for (const std::size_t c : order) text += "| " + markdown_text(table.columns[c].title) + ' ';
  text += "|\n";
  for (const std::size_t c : order) {
    text += is_numeric(table.columns[c].style) ? "| ---: " : "| --- ";
  }
  text += "|\n";
  for (const auto& row : table.rows) {
    for (const std::size_t c : order) {
      text += "| " + markdown_text(cell_text(row[c], table.columns[c].style)) + ' ';
    }
    text += "|\n";
  }
  return text;
}

ordered_json table_json(const Table& table) {
  const std::vector<std::size_t> order = columns_for(table, Audience::kPrograms);
  ordered_json rows = ordered_json::array();
  for (const auto& row : table.rows) {
    ordered_json object = ordered_json::object();
    for (const std::size_t c : order) object[table.columns[c].name] = json_cell(row[c]);
    rows.push_back(std::move(object));
  }
  return rows;
}

}  // namespace narrow
