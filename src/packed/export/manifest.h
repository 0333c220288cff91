// The manifest beside an export: everything that gives its codes their meaning, as JSON.
#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "base/file.h"
#include "narrow/export_codes.h"
#include "packed/export/code_stream.h"

namespace narrow {

// Writes each entry as it is added, so that memory does not grow with the number of blocks.
class Manifest {
 public:
  Manifest(const PackedFile& packed, CodeFormat format, OutputFile& file);
  // `exported.file` is where its codes are; only the name is written.
  void add(std::size_t index, const ExportedCodes& exported, const CodeFacts& facts);
  // After the last tensor: what `before`, the manifest that is in its place, says of files beside
  // it that are still there and not among `replaced`. Nothing when it is no manifest. Holds it
  // whole.
  void carry_over(const std::filesystem::path& before, const std::set<std::string>& replaced);
  // At the end.
  void finish();

 private:
  void add_params(std::size_t index);

  const PackedFile& packed_;
  CodeFormat format_;
  OutputFile& file_;
  bool has_tensors_ = false;
};

// Whether the file is the manifest of an export, all of whose entries can be read.
bool is_manifest(const std::filesystem::path& file);

// What a code of the scheme stands for: "(code - zero) * scale".
std::string value_formula(const Scheme& scheme);

// The parameters of a tensor's blocks as lines of a comment, or where to find them when they are
// many. Reads them.
std::vector<std::string> parameter_lines(const PackedFile& packed, std::size_t index);

}  // namespace narrow
