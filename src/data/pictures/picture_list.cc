#include "data/pictures/picture_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <system_error>

#include "base/file.h"
#include "data/pictures/picture_table.h"
#include "narrow/error.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxTableBytes = std::uint64_t{1} << 27;
// A table needs a name for each class up to its greatest label.
constexpr std::int64_t kMaxLabel = (1 << 20) - 1;

// The names in a folder, but hidden ones, in the order of their bytes.
std::vector<std::string> sorted_names(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator entries(folder, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    std::string name = entries->path().filename().string();
    if (!name.starts_with('.')) names.push_back(std::move(name));
  }
  if (error) {
    throw Error(ErrorCategory::kIo,
                fmt::format("{} cannot be listed: {}", folder.string(), error.message()));
  }
  std::ranges::sort(names);
  return names;
}

PictureList list_folder(const fs::path& folder) {
  PictureList list;
  list.path = folder;
  for (const std::string& name : sorted_names(folder)) {
    const fs::path class_folder = folder / name;
    if (!fs::is_directory(class_folder)) continue;
    const auto label = static_cast<std::int64_t>(list.classes.size());
    list.classes.push_back(name);
    for (const std::string& file : sorted_names(class_folder)) {
      const fs::path picture = class_folder / file;
      if (fs::is_directory(picture)) {
        throw Error(ErrorCategory::kUsage,
                    fmt::format("{} is a folder within the class {}; pictures lie directly in the "
                                "folders of their classes",
                                picture.string(), name));
      }
      list.pictures.push_back({picture.string(), label});
    }
  }
  if (list.pictures.empty()) {
    throw Error(
        ErrorCategory::kNotFound,
        fmt::format("{} has no pictures in folders named like their classes", folder.string()));
  }
  return list;
}

std::optional<std::int64_t> parse_number(const std::string& text) {
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  const bool is_number = error == std::errc{} && stop == end && text.front() != '-';
  return is_number ? std::optional(number) : std::nullopt;
}

std::vector<std::string> class_names(const std::vector<PictureRow>& rows) {
  std::vector<std::string> names;
  for (const PictureRow& row : rows) names.push_back(row.label);
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

// The label of every row, and what the labels are called.
void label_rows(const std::vector<PictureRow>& rows, PictureList& list) {
  const bool are_numbers = parse_number(rows.front().label).has_value();
  if (!are_numbers) list.classes = class_names(rows);
  list.has_more_classes = are_numbers;
  std::int64_t greatest = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const PictureRow& row = rows[i];
    const auto number = parse_number(row.label);
    if (number.has_value() != are_numbers) {
      throw Error(ErrorCategory::kCorrupt,
                  fmt::format("line {} of {} has the label '{}', a {}, where the first picture has "
                              "a {}",
                              row.line, list.path.string(), row.label, number ? "number" : "name",
                              number ? "name" : "number"));
    }
    if (number && *number > kMaxLabel) {
      throw Error(ErrorCategory::kCorrupt,
                  fmt::format("line {} of {} has the label {}; the greatest that is read is {}",
                              row.line, list.path.string(), *number, kMaxLabel));
    }
    const auto named = std::ranges::lower_bound(list.classes, row.label);
    list.pictures[i].label = number.value_or(named - list.classes.begin());
    greatest = std::max(greatest, list.pictures[i].label);
  }
  for (std::int64_t i = 0; are_numbers && i <= greatest; ++i) {
    list.classes.push_back(fmt::format("{}", i));
  }
}

PictureList list_table(const fs::path& table) {
  PictureList list;
  list.path = table;
  const auto rows = parse_picture_table(read_small_file(table, kMaxTableBytes), table.string());
  for (const PictureRow& row : rows) {
    const fs::path picture = table.parent_path() / row.file;
    std::error_code error;
    const fs::file_status status = fs::status(picture, error);
    if (!fs::exists(status) || fs::is_directory(status)) {
      throw Error(
          ErrorCategory::kNotFound,
          fmt::format("line {} of {} names {}, {}", row.line, table.string(), picture.string(),
                      fs::exists(status) ? "which is a folder" : "which does not exist"));
    }
    list.pictures.push_back({picture.string(), 0});
  }
  label_rows(rows, list);
  return list;
}

}  // namespace

PictureList list_pictures(const fs::path& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return list_folder(path);
  return list_table(path);
}

}  // namespace narrow
