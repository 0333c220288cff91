// Results in files: --export-csv, --export-html, --export-json, --export-markdown, any number at
// once.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/staged_output.h"
#include "cli/arguments/command.h"
#include "report/report.h"

namespace narrow {

// A file that appears whole or not at all. It takes its place before the work begins, so that a
// refusal costs nothing.
class StagedFile {
 public:
  // Throws Error: kUsage when this is not the name of a file, else what StagedOutput throws.
  StagedFile(const std::filesystem::path& path, Overwrite overwrite);
  // Once. Throws Error(kIo).
  void write(const std::string& text);

 private:
  std::string name_;
  StagedOutput staged_;
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
  void write(const Report& report);

 private:
  using Render = std::string (*)(const Report&);
  std::vector<std::pair<std::unique_ptr<StagedFile>, Render>> files_;
};

}  // namespace narrow
