// Aligned columns for a terminal.
#pragma once

#include <string>
#include <vector>

namespace narrow {

class TextTable {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kRight;
  };

  explicit TextTable(std::vector<Column> columns);
  // As many cells as columns. They are shown() as they are names from elsewhere.
  void add_row(std::vector<std::string> cells);
  // Titles and rows, two spaces between columns, each line ended, no trailing spaces.
  [[nodiscard]] std::string text() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace narrow
