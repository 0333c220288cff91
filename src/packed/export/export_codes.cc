#include "narrow/export_codes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <utility>

#include "base/bytes.h"
#include "base/identifiers.h"
#include "base/name_pattern.h"
#include "base/run_progress.h"
#include "base/staging/staged_output.h"
#include "checkpoint/npz/npy_header.h"
#include "narrow/error.h"
#include "packed/export/c_header.h"
#include "packed/export/manifest.h"
#include "packed/export/memory_image.h"

namespace narrow {
namespace {

constexpr std::array<std::string_view, 6> kNames = {"c-header", "mem", "hex", "coe", "mif", "npy"};

// Whether one of the patterns matches; marks those that do in `used`.
bool matches(const std::vector<std::string>& patterns, const std::string& name,
             std::vector<bool>& used) {
  bool any = false;
  for (std::size_t i = 0; i < patterns.size(); ++i) {
    if (!name_matches(patterns[i], name)) continue;
    any = used[i] = true;
  }
  return any;
}

void require_used(const std::vector<std::string>& patterns, const std::vector<bool>& used) {
  const auto unused = std::ranges::find(used, false);
  if (unused == used.end()) return;
  throw Error(ErrorCategory::kNotFound,
              fmt::format("the pattern {} matches no quantized tensor of the packed file",
                          patterns[static_cast<std::size_t>(unused - used.begin())]));
}

std::vector<std::size_t> selected(const PackedContents& contents, const Selection& selection) {
  std::vector<bool> included(selection.include.size());
  std::vector<bool> excluded(selection.exclude.size());
  std::vector<std::size_t> chosen;
  for (std::size_t i = 0; i < contents.tensors.size(); ++i) {
    const PackedTensor& tensor = contents.tensors[i];
    if (!tensor.scheme.has_value()) continue;
    const bool is_included = matches(selection.include, tensor.info.name, included);
    const bool is_excluded = matches(selection.exclude, tensor.info.name, excluded);
    if ((is_included || selection.include.empty()) && !is_excluded && tensor.code_bytes > 0) {
      chosen.push_back(i);
    }
  }
  require_used(selection.include, included);
  require_used(selection.exclude, excluded);
  if (!chosen.empty()) return chosen;
  throw Error(ErrorCategory::kNotFound,
              "the packed file has no quantized tensor with elements to export");
}

template <typename T>
void append_as(std::span<const std::int64_t> codes, std::vector<std::byte>& bytes) {
  bytes.resize(codes.size() * sizeof(T));
  for (std::size_t i = 0; i < codes.size(); ++i) {
    store_le(bytes.data() + i * sizeof(T), static_cast<T>(codes[i]));
  }
}

void write_npy(const PackedFile& packed, std::size_t index, const CodeFacts& facts,
               OutputFile& file) {
  const PackedTensor& tensor = packed.contents().tensors[index];
  const DType dtype = code_dtype(tensor.scheme->bits, facts);
  const std::size_t size = element_size(dtype);
  file.write(build_npy_header({tensor.info.name, dtype, tensor.info.shape}));
  std::vector<std::byte> bytes;
  for_each_codes(packed, index, [&](std::span<const std::int64_t> codes) {
    // Two's complement: types of one size differ in what reads them only.
    if (size == 1) append_as<std::uint8_t>(codes, bytes);
    if (size == 2) append_as<std::uint16_t>(codes, bytes);
    if (size == 4) append_as<std::uint32_t>(codes, bytes);
    if (size == 8) append_as<std::uint64_t>(codes, bytes);
    file.write(bytes);
  });
}

// One export, whose files appear together.
class Exporter {
 public:
  Exporter(const PackedCheckpoint& packed, CodeFormat format, const Selection& selection,
           std::filesystem::path output, Observer* observer)
      : packed_(file_of(packed)), format_(format), output_(std::move(output)), observer_(observer) {
    const PackedContents& contents = packed.contents();
    std::vector<std::string> names;
    chosen_ = selected(contents, selection);
    for (const std::size_t index : chosen_) {
      names.push_back(contents.tensors[index].info.name);
      total_bytes_ += contents.tensors[index].info.byte_size();
    }
    identifiers_ = unique_identifiers(names);
  }

  std::vector<ExportedCodes> run(Overwrite overwrite) {
    if (format_ == CodeFormat::kCHeader) {
      write_header(overwrite);
    } else {
      write_files(overwrite);
    }
    return std::move(exported_);
  }

 private:
  void write_header(Overwrite overwrite) {
    if (!output_.has_filename() || std::filesystem::is_directory(output_)) {
      throw Error(ErrorCategory::kUsage,
                  fmt::format("{} is a directory, but a C header is one file; give it a name",
                              output_.string()));
    }
    const std::string name = output_.filename().string();
    const std::string manifest_name = manifest_file();
    StagedOutput staged(output_.parent_path(), {name, manifest_name}, overwrite);
    OutputFile file(staged.staging_path(name));
    OutputFile manifest_output(staged.staging_path(manifest_name));
    Manifest manifest(packed_, format_, manifest_output);
    CHeader header(packed_, unique_identifiers({output_.stem().string()}).front(), file);
    for (std::size_t i = 0; i < chosen_.size(); ++i) {
      const CodeFacts facts = describe(i, output_);
      header.add(chosen_[i], identifiers_[i], facts, exported_.back().crc32c);
      manifest.add(chosen_[i], exported_.back(), facts);
      report(i);
    }
    header.finish();
    file.finish();
    manifest.finish();
    manifest_output.finish();
    staged.commit();
  }

  void write_files(Overwrite overwrite) {
    // First, so that exports into one directory wait for each other: they share the manifest, which
    // keeps what it says of files of others and is therefore replaced in any case.
    std::vector<std::string> names = {manifest_file()};
    for (const std::string& identifier : identifiers_) {
      names.push_back(fmt::format("{}.{}", identifier, to_string(format_)));
    }
    StagedOutput staged(output_, names, Overwrite::kYes);
    if (overwrite == Overwrite::kNo) check_nothing_is_replaced(names);
    OutputFile manifest_output(staged.staging_path(names.front()));
    Manifest manifest(packed_, format_, manifest_output);
    for (std::size_t i = 0; i < chosen_.size(); ++i) {
      const std::string& name = names[i + 1];
      const CodeFacts facts = describe(i, output_ / name);
      OutputFile file(staged.staging_path(name));
      write_file(chosen_[i], facts, file);
      file.finish();
      manifest.add(chosen_[i], exported_.back(), facts);
      report(i);
    }
    manifest.carry_over(output_ / names.front(), {names.begin(), names.end()});
    manifest.finish();
    manifest_output.finish();
    staged.commit([&] {
      if (overwrite == Overwrite::kNo) check_nothing_is_replaced(names);
    });
  }

  // But a manifest of this program, the first of `names`.
  void check_nothing_is_replaced(const std::vector<std::string>& names) const {
    for (const std::string& name : names) {
      const std::filesystem::path path = output_ / name;
      if (!std::filesystem::exists(std::filesystem::symlink_status(path))) continue;
      if (name == names.front() && is_manifest(path)) continue;
      throw Error(ErrorCategory::kExists, fmt::format("{} exists already", path.string()),
                  {Remedy::Kind::kOverwrite});
    }
  }

  [[nodiscard]] std::string manifest_file() const {
    return export_manifest_path(format_, output_).filename().string();
  }

  void write_file(std::size_t index, const CodeFacts& facts, OutputFile& file) {
    if (format_ == CodeFormat::kNpy) return write_npy(packed_, index, facts, file);
    MemoryImage image(format_, packed_.contents().tensors[index], facts,
                      codes_crc32c(packed_, index), parameter_lines(packed_, index), file);
    for_each_codes(packed_, index, [&](std::span<const std::int64_t> codes) { image.add(codes); });
    image.finish();
  }

  // Adds tensor chosen_[i] to the result.
  CodeFacts describe(std::size_t i, const std::filesystem::path& file) {
    CodeFacts facts = code_facts(packed_, chosen_[i]);
    exported_.push_back({packed_.contents().tensors[chosen_[i]].info.name, identifiers_[i], file,
                         facts.count, facts.sum, codes_crc32c(packed_, chosen_[i])});
    return facts;
  }

  void report(std::size_t i) {
    done_bytes_ += packed_.contents().tensors[chosen_[i]].info.byte_size();
    report_progress(observer_, done_bytes_, total_bytes_, ProgressUnit::kBytes);
  }

  const PackedFile& packed_;
  CodeFormat format_;
  std::filesystem::path output_;
  Observer* observer_;
  std::vector<std::size_t> chosen_;
  std::vector<std::string> identifiers_;
  std::uint64_t total_bytes_ = 0;
  std::uint64_t done_bytes_ = 0;
  std::vector<ExportedCodes> exported_;
};

}  // namespace

std::string_view to_string(CodeFormat format) noexcept {
  return kNames[static_cast<std::size_t>(format)];
}

std::filesystem::path export_manifest_path(CodeFormat format, const std::filesystem::path& output) {
  if (format != CodeFormat::kCHeader) return output / "manifest.json";
  std::filesystem::path path = output;
  return path += ".manifest.json";
}

std::vector<ExportedCodes> export_codes(const PackedCheckpoint& packed, CodeFormat format,
                                        const Selection& selection,
                                        const std::filesystem::path& output, Overwrite overwrite,
                                        const RunOptions& run) {
  return Exporter(packed, format, selection, output, run.observer).run(overwrite);
}

}  // namespace narrow
