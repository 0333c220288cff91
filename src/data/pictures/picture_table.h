// A table of labelled pictures: CSV (RFC 4180) with a header that names the columns `file` and
// `label`; other columns are left alone.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace narrow {

struct PictureRow {
  std::size_t line = 0;  // of the text, from 1
  std::string file;
  std::string label;
};

// The rows in their order; empty lines are none. Quotation marks, lines that end with CR and LF,
// and a byte order mark are understood. `place` names the text in messages. Throws Error(kCorrupt)
// naming the line: another number of fields than the header has, an empty file or label, a
// quotation that does not end or goes on behind its end, a NUL byte; a header without one of the
// two columns or with one of them twice; no row.
std::vector<PictureRow> parse_picture_table(std::string_view text, std::string_view place);

}  // namespace narrow
