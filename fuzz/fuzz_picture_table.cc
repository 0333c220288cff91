// Parses the input as a table of pictures; the rows, written with quotations around every field,
// must come back.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "data/pictures/picture_table.h"
#include "narrow/error.h"

namespace {

std::string quoted(std::string_view field) {
  std::string text = "\"";
  for (const char c : field) text.append(c == '"' ? 2 : 1, c);
  return text + '"';
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto rows = narrow::parse_picture_table(
        std::string_view(reinterpret_cast<const char*>(data), size), "input");
    std::string copy = "label,file\r\n";
    for (const auto& row : rows) copy += quoted(row.label) + ',' + quoted(row.file) + "\r\n";
    const auto again = narrow::parse_picture_table(copy, "copy");
    if (again.size() != rows.size()) std::abort();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (again[i].file != rows[i].file || again[i].label != rows[i].label) std::abort();
    }
  } catch (const narrow::Error&) {
  }
  return 0;
}
