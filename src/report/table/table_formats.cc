#include "report/table/table_formats.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "base/utf8.h"
#include "report/table/numbers.h"
#include "report/table/text_table.h"

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

// Names as programs want them: exact, but for what is not text. Ends of lines and tabs are.
std::string csv_text(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::size_t length = std::max<std::size_t>(1, text.find_first_of("\r\n\t"));
    const std::string_view part = text.substr(0, length);
    const bool is_kept = part.find_first_of("\r\n\t") == 0;
    result += is_kept ? std::string(part) : shown(replace_invalid_utf8(part));
    text.remove_prefix(part.size());
  }
  return result;
}

// One line: ends of lines become blanks.
std::string markdown_line(const std::string& text) {
  std::string line = text;
  std::ranges::replace(line, '\n', ' ');
  return shown(replace_invalid_utf8(line));
}

}  // namespace

std::string csv_field(const std::string& text) {
  const std::string field = csv_text(text);
  if (field.find_first_of(",\"\r\n") == std::string::npos) return field;
  std::string quoted = "\"";
  for (const char c : field) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + '"';
}

std::string markdown_text(const std::string& text) {
  constexpr std::string_view kMarkup = "|*_`<\\~$";
  std::string escaped;
  const std::string line = markdown_line(text);
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char next = i + 1 < line.size() ? line[i + 1] : ' ';
    const bool ends_link_text = line[i] == ']' && (next == '(' || next == '[');
    const bool begins_entity = line[i] == '&' && next != ' ';
    if (ends_link_text || begins_entity || kMarkup.find(line[i]) != std::string_view::npos) {
      escaped += '\\';
    }
    escaped += line[i];
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
