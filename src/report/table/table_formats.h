// A table as text, CSV, Markdown and JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "report/table/table.h"

namespace narrow {

// Aligned columns for a terminal.
std::string table_text(const Table& table);

// RFC 4180 with plain newlines: a line of names, then a line a row. No value is an empty field.
std::string table_csv(const Table& table);

// The title, then a table of GitHub's Markdown.
std::string table_markdown(const Table& table);

// An array with an object for each row. No value, infinities and NaN are null.
nlohmann::ordered_json table_json(const Table& table);

// Text with the characters escaped that Markdown would take for its own.
std::string markdown_text(const std::string& text);

// A field of a CSV file, quoted when it has to be.
std::string csv_field(const std::string& text);

}  // namespace narrow
