#include "report/report.h"

#include <fmt/format.h>

#include "base/json_text.h"
#include "base/utf8.h"
#include "report/html/html_page.h"
#include "report/table/table_formats.h"

namespace narrow {

// What is hidden in a text is escaped: JSON may hold it as it is, but it may end on a terminal.
std::string json_text(const nlohmann::ordered_json& json) {
  return shown_lines(dump_any_json(json, 2)) + "\n";
}

std::string report_json(const Report& report) { return json_text(report.json); }

std::string report_csv(const Report& report) { return table_csv(report.tables.front()); }

std::string report_markdown(const Report& report) {
  std::string text = fmt::format("# {}\n\n", markdown_text(report.title));
  for (const auto& [name, value] : report.facts) {
    text += fmt::format("- {}: {}\n", markdown_text(name), markdown_text(value));
  }
  for (const Table& table : report.tables) text += "\n" + table_markdown(table);
  return text;
}

std::string report_html(const Report& report) {
  if (!report.html.empty()) return report.html;
  HtmlPage page(report.title, "");
  page.add_facts(report.facts);
  for (const Table& table : report.tables) page.add_section(table.title, "", html_table(table));
  for (const ReportPicture& one : report.pictures) page.add_section(one.title, one.note, one.html);
  return page.text("Made by narrow.");
}

}  // namespace narrow
