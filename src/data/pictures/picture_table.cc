#include "data/pictures/picture_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

[[noreturn]] void throw_bad_line(std::size_t line, std::string_view place,
                                 const std::string& problem) {
  throw Error(ErrorCategory::kCorrupt, fmt::format("line {} of {} {}", line, place, problem));
}

// Takes the text apart, one record after another.
class Records {
 public:
  Records(std::string_view text, std::string_view place) : text_(text), place_(place) {
    if (text_.starts_with(kByteOrderMark)) text_.remove_prefix(kByteOrderMark.size());
  }

  // False at the end. `line` is where the record begins.
  bool next(std::vector<std::string>& fields, std::size_t& line) {
    while (skip_line_end()) continue;
    if (at_ == text_.size()) return false;
    line = line_;
    fields.clear();
    do {
      fields.push_back(at_ < text_.size() && text_[at_] == '"' ? quoted() : plain());
    } while (skip(','));
    if (at_ < text_.size() && !skip_line_end()) {
      throw_bad_line(line_, place_, "goes on behind the end of a quotation");
    }
    return true;
  }

 private:
  bool skip(char wanted) {
    if (at_ == text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }

  bool skip_line_end() {
    if (text_.substr(at_).starts_with("\r\n")) ++at_;
    if (!skip('\n')) return false;
    ++line_;
    return true;
  }

  std::string plain() {
    std::size_t end = std::min(text_.find_first_of(",\n", at_), text_.size());
    const std::size_t next = end;
    const bool ends_line = end == text_.size() || text_[end] == '\n';
    if (ends_line && end > at_ && text_[end - 1] == '\r') --end;
    std::string field(text_.substr(at_, end - at_));
    // A line end of CR and LF is left whole.
    at_ = next == text_.size() ? next : end;
    return field;
  }

  std::string quoted() {
    const std::size_t begin_line = line_;
    std::string field;
    ++at_;
    for (;;) {
      const std::size_t end = text_.find('"', at_);
      if (end == std::string_view::npos) {
        throw_bad_line(begin_line, place_, "begins a quotation that does not end");
      }
      const std::string_view part = text_.substr(at_, end - at_);
      line_ += static_cast<std::size_t>(std::ranges::count(part, '\n'));
      field += part;
      at_ = end + 1;
      if (!skip('"')) return field;
      field += '"';
    }
  }

  std::string_view text_;
  std::string_view place_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
};

std::size_t find_column(const std::vector<std::string>& header, std::string_view name,
                        std::size_t line, std::string_view place) {
  const auto found = std::ranges::find(header, name);
  if (found == header.end()) {
    throw_bad_line(line, place,
                   fmt::format("is the header, and names no column '{}'; 'file' and 'label' are "
                               "needed",
                               name));
  }
  if (std::find(found + 1, header.end(), name) != header.end()) {
    throw_bad_line(line, place, fmt::format("names the column '{}' twice", name));
  }
  return static_cast<std::size_t>(found - header.begin());
}

}  // namespace

std::vector<PictureRow> parse_picture_table(std::string_view text, std::string_view place) {
  Records records(text, place);
  std::vector<std::string> fields;
  std::size_t line = 0;
  if (!records.next(fields, line)) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{} is empty; its first line has to name the columns 'file' and "
                            "'label'",
                            place));
  }
  const std::size_t columns = fields.size();
  const std::size_t file = find_column(fields, "file", line, place);
  const std::size_t label = find_column(fields, "label", line, place);
  std::vector<PictureRow> rows;
  while (records.next(fields, line)) {
    if (fields.size() != columns) {
      throw_bad_line(line, place,
                     fmt::format("has {} fields, the header {}", fields.size(), columns));
    }
    if (fields[file].empty()) throw_bad_line(line, place, "names no file");
    if (fields[label].empty()) throw_bad_line(line, place, "has no label");
    if (fields[file].find('\0') != std::string::npos) {
      throw_bad_line(line, place, "has a NUL byte in the name of its file");
    }
    rows.push_back({line, std::move(fields[file]), std::move(fields[label])});
  }
  if (rows.empty()) {
    throw Error(ErrorCategory::kCorrupt, fmt::format("{} names no pictures", place));
  }
  return rows;
}

}  // namespace narrow
