#include "cli/options/exports.h"

#include <fmt/format.h>
#include <unistd.h>

#include <exception>
#include <set>

#include "base/exchange.h"
#include "cli/console/standard_streams.h"
#include "cli/options/common_options.h"
#include "narrow/error.h"

namespace narrow {

StagedFile::StagedFile(const std::filesystem::path& path, Overwrite overwrite,
                       std::string_view option)
    : name_(path.filename().string()), is_made_here_(exchange().makes_result()) {
  if (!is_made_here_) return;
  if (path == "-" || named_descriptor(path) == STDOUT_FILENO) {
    take_standard_output(fmt::format("{} {}", option, path.string()));
    return;
  }
  if (OutputStream::is_stream(path)) {
    stream_.emplace(path);
    return;
  }
  if (name_.empty()) {
    throw Error(ErrorCategory::kUsage, fmt::format("{} is not the name of a file", path.string()));
  }
  const std::filesystem::path directory = path.parent_path();
  staged_.emplace(directory.empty() ? "." : directory, std::vector{name_}, overwrite);
}

void StagedFile::write(const std::string& text) {
  if (!is_made_here_) return;
  if (stream_) {
    stream_->write(text);
  } else if (!staged_) {
    write_standard_output(text);
  } else {
    OutputFile file(staged_->staging_path(name_));
    file.write(text);
    file.finish();
    staged_->commit();
  }
}

void add_export_options(Command& command, ExportOptions& options) {
  const auto add = [&](const char* name, std::string& path, const char* text) {
    command.add_option(name, path, text).type_name("FILE").group("Exports");
  };
  add("--export-csv", options.csv, "also write the table as CSV; -: to standard output");
  add("--export-html", options.html, "also write one self-contained HTML page");
  add("--export-json", options.json, "also write what --json prints");
  add("--export-markdown", options.markdown, "also write the table as Markdown");
}

Exports::Exports(const ExportOptions& options, bool force) {
  const Overwrite overwrite = overwrite_of(force);
  std::set<std::filesystem::path> paths;
  const auto add = [&](const std::string& path, std::string_view option, Render render) {
    if (path.empty()) return;
    if (!paths.insert(std::filesystem::absolute(path).lexically_normal()).second) {
      throw Error(ErrorCategory::kUsage,
                  fmt::format("{} is asked for in two forms; give each a file of its own", path));
    }
    files_.emplace_back(std::make_unique<StagedFile>(path, overwrite, option), render);
  };
  add(options.csv, "--export-csv", report_csv);
  add(options.html, "--export-html", report_html);
  add(options.json, "--export-json", report_json);
  add(options.markdown, "--export-markdown", report_markdown);
}

void Exports::write(const Report& report) {
  std::exception_ptr failure;
  for (const auto& [file, render] : files_) {
    try {
      file->write(render(report));
    } catch (const Error&) {
      if (!failure) failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace narrow
