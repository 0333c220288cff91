#include "report/html/html_page.h"

#include <fmt/format.h>

#include <cmath>

#include "report/html/heat_map.h"
#include "report/html/html_style.h"
#include "report/html/html_text.h"

namespace narrow {
namespace {

// The number to sort by, as JavaScript reads it; empty for text and for none.
std::string sort_key(const TableCell& cell) {
  if (const auto* integer = std::get_if<std::uint64_t>(&cell)) return fmt::format("{}", *integer);
  const auto* number = std::get_if<double>(&cell);
  if (number == nullptr || std::isnan(*number)) return "";
  if (std::isinf(*number)) return *number > 0 ? "Infinity" : "-Infinity";
  return fmt::format("{}", *number);
}

}  // namespace

HtmlPage::HtmlPage(std::string title, std::string subtitle)
    : title_(std::move(title)), subtitle_(std::move(subtitle)) {}

void HtmlPage::add_tiles(const std::vector<HtmlTile>& tiles) {
  body_ += "<div class=\"tiles\">\n";
  for (const HtmlTile& tile : tiles) {
    body_ += fmt::format("<div class=\"tile\"><b>{}</b><span>{}</span></div>\n",
                         html_escape(tile.value), html_escape(tile.label));
  }
  body_ += "</div>\n";
}

void HtmlPage::add_facts(const std::vector<std::pair<std::string, std::string>>& facts) {
  body_ += "<dl class=\"facts\">\n";
  for (const auto& [name, value] : facts) {
    body_ += fmt::format("<dt>{}</dt><dd>{}</dd>\n", html_escape(name), html_escape(value));
  }
  body_ += "</dl>\n";
}

void HtmlPage::add_section(std::string_view title, std::string_view note, std::string_view html) {
  body_ += fmt::format("<section>\n<h2>{}</h2>\n", html_escape(title));
  if (!note.empty()) body_ += fmt::format("<p class=\"note\">{}</p>\n", html_escape(note));
  body_ += html;
  body_ += "</section>\n";
}

std::string HtmlPage::text(std::string_view footer) const {
  // The policy lets a browser refuse whatever would come from elsewhere.
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
      "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
      "<title>{0}</title>\n<style>{1}{2}</style>\n</head>\n<body>\n<main>\n"
      "<header>\n<h1>{0}</h1>\n<p class=\"sub\">{3}</p>\n</header>\n{4}"
      "<footer>{5}</footer>\n</main>\n<script>{6}</script>\n</body>\n</html>\n",
      html_escape(title_), kPageStyle, heat_map_style(), html_escape(subtitle_), body_,
      html_escape(footer), kPageScript);
}

std::string html_table(const Table& table) {
  const auto columns = columns_for(table, TableColumn::Audience::kPeople);
  std::string html = "<div class=\"scroll\"><table class=\"sortable\">\n<thead><tr>";
  for (const std::size_t c : columns) {
    html += fmt::format("<th{}>{}</th>", is_numeric(table.columns[c].style) ? " class=\"n\"" : "",
                        html_escape(table.columns[c].title));
  }
  html += "</tr></thead>\n<tbody>\n";
  for (const auto& row : table.rows) {
    html += "<tr>";
    for (const std::size_t c : columns) {
      const std::string key = sort_key(row[c]);
      html +=
          fmt::format("<td{}{}>{}</td>", is_numeric(table.columns[c].style) ? " class=\"n\"" : "",
                      key.empty() ? "" : fmt::format(" data-v=\"{}\"", key),
                      html_escape(cell_text(row[c], table.columns[c].style)));
    }
    html += "</tr>\n";
  }
  return html + "</tbody>\n</table></div>\n";
}

std::string html_figure(std::string_view caption, std::string_view html) {
  return fmt::format("<figure><figcaption>{}</figcaption>{}</figure>\n", html_escape(caption),
                     html);
}

std::string html_grid(const std::vector<std::string>& figures_html) {
  std::string html = "<div class=\"grid\">\n";
  for (const std::string& figure : figures_html) html += figure;
  return html + "</div>\n";
}

std::string html_details(std::string_view summary, std::string_view html) {
  return fmt::format("<details><summary>{}</summary>\n{}</details>\n", html_escape(summary), html);
}

std::string html_command(std::string_view command) {
  return fmt::format("<pre>{}</pre>\n", html_escape(command));
}

}  // namespace narrow
