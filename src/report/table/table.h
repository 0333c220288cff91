// A table of results, the same for every form in which it is shown: text, CSV, JSON, Markdown and
// HTML.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace narrow {

// A value; monostate is none.
using TableCell = std::variant<std::monostate, std::string, std::uint64_t, double>;

// How people see the values of a column. Programs get every number in the shortest digits that read
// back as the same number.
enum class CellStyle {
  kText,
  kInteger,       // also doubles without a fraction
  kShort,         // four significant digits
  kDecibel,       // two decimals, "exact" for infinity
  kFixed2,        // two decimals
  kRate,          // four decimals: 0.9123
  kPercent,       // of a quotient, four significant digits: "0.3412 %"
  kBytes,         // "11.76 MB"
  kSignificance,  // a probability: "0.0123", "<0.0001"
  kDelta,         // a difference of rates in points, two decimals and a sign: "-0.12"
};

struct TableColumn {
  enum class Audience { kAll, kPeople, kPrograms };
  std::string name;   // for programs: "relative_l2"
  std::string title;  // for people: "relative error"
  CellStyle style = CellStyle::kText;
  Audience audience = Audience::kAll;
  // Comes after all others in text, in reverse order: it is long, and a narrow terminal wraps what
  // comes after the numbers.
  bool last_in_text = false;
};

struct Table {
  std::string name;   // for programs: "tensors"
  std::string title;  // for people, over the table
  std::vector<TableColumn> columns;
  std::vector<std::vector<TableCell>> rows;  // as many cells as columns

  // Throws std::logic_error when the number of cells is wrong.
  void add_row(std::vector<TableCell> cells);
};

// The value for people; "-" for none.
std::string cell_text(const TableCell& cell, CellStyle style);

// The positions of the columns that people or programs see, in order.
std::vector<std::size_t> columns_for(const Table& table, TableColumn::Audience audience);

// Whether the values of a column are numbers, which are aligned at the right.
bool is_numeric(CellStyle style);

}  // namespace narrow
