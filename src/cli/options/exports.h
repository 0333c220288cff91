// Results in files: --export-csv, --export-html, --export-json, --export-markdown, any number at
// once.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/special_file.h"
#include "base/staging/staged_output.h"
#include "cli/parser/command.h"
#include "report/report.h"

namespace narrow {

// A result that is text: a file that appears whole or not at all, or what is written into a device,
// a pipe, or standard output (-). It takes its place before the work begins, so that a refusal
// costs nothing. Of several processes that share the work, those that do not make the result leave
// it alone.
class StagedFile {
 public:
  // `option`: how a sentence names it. Throws Error: kUsage when this is not the name of a file, a
  // directory say, or when standard output is for something else already; else what StagedOutput
  // throws.
  StagedFile(const std::filesystem::path& path, Overwrite overwrite,
             std::string_view option = "--output");
  // Once. Throws Error(kIo).
  void write(const std::string& text);
  [[nodiscard]] bool is_file() const { return staged_.has_value(); }

 private:
  std::string name_;
  bool is_made_here_;
  std::optional<StagedOutput> staged_;
  std::optional<OutputStream> stream_;  // neither: standard output
};

struct ExportOptions {
  std::string csv;
  std::string html;
  std::string json;
  std::string markdown;
};

void add_export_options(Command& command, ExportOptions& options);

class Exports {
 public:
  // Throws what StagedFile throws, and Error(kUsage) for one file that is to hold two forms.
  Exports(const ExportOptions& options, bool force);
  // Whether no file was asked for: then there is no need to make a report.
  [[nodiscard]] bool is_empty() const { return files_.empty(); }
  // All of them, whatever becomes of one. Throws Error(kIo) for the first that failed.
  void write(const Report& report);

 private:
  using Render = std::string (*)(const Report&);
  std::vector<std::pair<std::unique_ptr<StagedFile>, Render>> files_;
};

}  // namespace narrow
