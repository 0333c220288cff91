#include "report/table/table.h"

#include <fmt/format.h>

#include <stdexcept>
#include <utility>

#include "report/table/numbers.h"

namespace narrow {
namespace {

std::string number_text(double value, CellStyle style) {
  switch (style) {
    case CellStyle::kInteger:
      return fmt::format("{:.0f}", value);
    case CellStyle::kDecibel: {
      const std::string text = format_decibel(value);
      return text.ends_with(" dB") ? text.substr(0, text.size() - 3) : text;
    }
    case CellStyle::kFixed2:
      return fmt::format("{:.2f}", value);
    case CellStyle::kRate:
      return fmt::format("{:.4f}", value);
    case CellStyle::kPercent:
      return fmt::format("{} %", format_short(100 * value));
    case CellStyle::kDelta:
      return fmt::format("{:+.2f}", 100 * value);
    case CellStyle::kBytes:
      return format_short_bytes(value);
    case CellStyle::kSignificance:
      return value < 0.0001 ? "<0.0001" : fmt::format("{:.4f}", value);
    case CellStyle::kText:
    case CellStyle::kShort:
      break;
  }
  return format_short(value);
}

}  // namespace

void Table::add_row(std::vector<TableCell> cells) {
  if (cells.size() != columns.size()) {
    throw std::logic_error(fmt::format("table {}: a row of {} cells for {} columns", name,
                                       cells.size(), columns.size()));
  }
  rows.push_back(std::move(cells));
}

std::string cell_text(const TableCell& cell, CellStyle style) {
  if (const auto* text = std::get_if<std::string>(&cell)) return *text;
  if (const auto* integer = std::get_if<std::uint64_t>(&cell)) {
    if (style == CellStyle::kBytes) return format_short_bytes(static_cast<double>(*integer));
    return fmt::format("{}", *integer);
  }
  if (const auto* number = std::get_if<double>(&cell)) return number_text(*number, style);
  return "-";
}

std::vector<std::size_t> columns_for(const Table& table, TableColumn::Audience audience) {
  std::vector<std::size_t> columns;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const auto seen_by = table.columns[i].audience;
    if (seen_by == TableColumn::Audience::kAll || seen_by == audience) columns.push_back(i);
  }
  return columns;
}

bool is_numeric(CellStyle style) { return style != CellStyle::kText; }

}  // namespace narrow
