#include "cli/exports.h"

#include <fmt/format.h>

#include <set>

#include "narrow/error.h"

namespace narrow {

StagedFile::StagedFile(const std::filesystem::path& path, Overwrite overwrite)
    : name_(path.filename().string()),
      staged_(
          path.parent_path().empty() ? "." : path.parent_path(),
          {name_.empty() ? throw Error(ErrorCategory::kUsage,
                                       fmt::format("{} is not the name of a file", path.string()))
                         : name_},
          overwrite) {}

void StagedFile::write(const std::string& text) {
  OutputFile file(staged_.staging_path(name_));
  file.write(text);
  file.finish();
  staged_.commit();
}

void add_export_options(Command& command, ExportOptions& options) {
  const auto add = [&](const char* name, std::string& path, const char* text) {
    command.add_option(name, path, text).type_name("FILE").group("Exports");
  };
  add("--export-csv", options.csv, "also write the table as CSV");
  add("--export-html", options.html, "also write one self-contained HTML page");
  add("--export-json", options.json, "also write what --json prints");
  add("--export-markdown", options.markdown, "also write the table as Markdown");
}

Exports::Exports(const ExportOptions& options, bool force) {
  const Overwrite overwrite = force ? Overwrite::kYes : Overwrite::kNo;
  std::set<std::filesystem::path> paths;
  const auto add = [&](const std::string& path, Render render) {
    if (path.empty()) return;
    if (!paths.insert(std::filesystem::absolute(path).lexically_normal()).second) {
      throw Error(ErrorCategory::kUsage,
                  fmt::format("{} is asked for in two forms; give each a file of its own", path));
    }
    files_.emplace_back(std::make_unique<StagedFile>(path, overwrite), render);
  };
  add(options.csv, report_csv);
  add(options.html, report_html);
  add(options.json, report_json);
  add(options.markdown, report_markdown);
}

void Exports::write(const Report& report) {
  for (const auto& [file, render] : files_) file->write(render(report));
}

}  // namespace narrow
