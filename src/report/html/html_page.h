// One self-contained HTML page: no file, script or font from anywhere else. Follows the reader's
// light or dark setting, prints without scroll boxes, works on a telephone.
//
//   HtmlPage page("Title", "what this is about");
//   page.add_tiles({{"5 bits", "are enough"}});
//   page.add_section("Sizes", "How to read it.", html_table(table));
//   page.add_section("Plots", "", html_grid({html_figure("error", plot_svg(plot))}));
//   page.text("made by ...");
//
// Arguments called html are markup, made by the functions of this folder; all others are plain text
// and are escaped.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "report/table/table.h"

namespace narrow {

// A large value with a line about it.
struct HtmlTile {
  std::string value;
  std::string label;
};

class HtmlPage {
 public:
  HtmlPage(std::string title, std::string subtitle);

  void add_tiles(const std::vector<HtmlTile>& tiles);
  // Pairs of a name and a value, as a list.
  void add_facts(const std::vector<std::pair<std::string, std::string>>& facts);
  // `note` may be empty.
  void add_section(std::string_view title, std::string_view note, std::string_view html);

  // The whole document.
  [[nodiscard]] std::string text(std::string_view footer) const;

 private:
  std::string title_;
  std::string subtitle_;
  std::string body_;
};

// The table as people see it; a click on a title sorts by that column.
std::string html_table(const Table& table);

// A picture with a caption.
std::string html_figure(std::string_view caption, std::string_view html);

// Figures beside each other where there is room.
std::string html_grid(const std::vector<std::string>& figures_html);

// A part that is closed until the reader opens it; printed open.
std::string html_details(std::string_view summary, std::string_view html);

// A command line to copy.
std::string html_command(std::string_view command);

}  // namespace narrow
