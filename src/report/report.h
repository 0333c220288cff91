// A result in every form: the object for programs, tables for people, CSV, Markdown and HTML.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "report/table/table.h"

namespace narrow {

// Of the HTML page alone, after the tables.
struct ReportPicture {
  std::string title;
  std::string note;
  std::string html;  // markup
};

struct Report {
  std::string title;
  std::vector<std::pair<std::string, std::string>> facts;  // name and value
  std::vector<Table> tables;                               // the first is what CSV holds
  std::vector<ReportPicture> pictures;
  nlohmann::ordered_json json;
  std::string html;  // a whole page, when it is more than title, facts and tables
};

// As text: indented, with an end of line. Bytes that are not UTF-8 become U+FFFD.
std::string json_text(const nlohmann::ordered_json& json);
std::string report_json(const Report& report);
std::string report_csv(const Report& report);
std::string report_markdown(const Report& report);
std::string report_html(const Report& report);

}  // namespace narrow
