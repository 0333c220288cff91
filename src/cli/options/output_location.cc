#include "cli/options/output_location.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <string_view>

#include "base/special_file.h"
#include "narrow/error.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

bool is_tensorflow(CheckpointFormat format) { return traits_of(format).extension.empty(); }

// The input's file name as a name in `format`: its extension is exchanged, a prefix keeps its dots.
std::string base_name(const CheckpointLocation& input, CheckpointFormat format) {
  std::string name = input.path.filename().string();
  const std::string_view extension = traits_of(input.format).extension;
  if (!extension.empty() && name.ends_with(extension)) {
    name.resize(name.size() - extension.size());
  }
  return name.append(traits_of(format).extension);
}

// The file that shows that something is at `location`.
fs::path main_file(const CheckpointLocation& location) {
  fs::path path = location.path;
  if (location.format == CheckpointFormat::kTensorFlowV2) path += ".index";
  return path;
}

// Whether a result in several files goes into a directory `output`, which need not exist.
// Throws Error(kUsage) for the name of one file.
bool names_directory_of_shards(CheckpointFormat format, const std::string& output) {
  if (format != CheckpointFormat::kSafetensorsShards) return false;
  if (output.ends_with(traits_of(format).extension)) return false;
  for (const CheckpointFormatTraits& other : checkpoint_formats()) {
    if (other.extension.empty() || !output.ends_with(other.extension)) continue;
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} is the name of one file, but the result has several; name a "
                            "directory, or say --format {}",
                            output, other.name));
  }
  return true;
}

}  // namespace

void require_named_output(const fs::path& input, const std::string& output) {
  if (!output.empty() || !is_input_stream(input)) return;
  throw Error(ErrorCategory::kUsage,
              fmt::format("{} is no file that a result could lie beside; say with -o where it is "
                          "to go",
                          input.string()));
}

std::vector<std::string> written_formats() {
  std::vector<std::string> names;
  for (const CheckpointFormatTraits& format : checkpoint_formats()) {
    if (format.writing != CheckpointFormatTraits::Writing::kNo) names.emplace_back(format.name);
  }
  return names;
}

CheckpointFormat output_format(const std::string& typed, CheckpointFormat input) {
  for (const CheckpointFormatTraits& format : checkpoint_formats()) {
    if (format.name == typed) return format.format;
  }
  return traits_of(input).result;
}

CheckpointFormat format_of_output(const std::string& output, CheckpointFormat input) {
  std::error_code error;
  if (output.ends_with('/') || fs::is_directory(output, error)) return traits_of(input).result;
  CheckpointFormatTraits found;
  for (const CheckpointFormatTraits& format : checkpoint_formats()) {
    const bool is_longer = format.extension.size() > found.extension.size();
    if (is_longer && output.ends_with(format.extension)) found = format;
  }
  if (found.writing == CheckpointFormatTraits::Writing::kNo && !found.extension.empty()) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{} files can only be read; choose another format for {}", found.title,
                            output));
  }
  if (!found.extension.empty()) return found.format;
  // Prefixes end in .ckpt, .ckpt-5000 or with a version; letters are most likely a slip.
  const std::string extension = fs::path(output).extension().string();
  const bool is_word = extension.size() > 1 && extension != ".ckpt" &&
                       std::all_of(extension.begin() + 1, extension.end(),
                                   [](unsigned char c) { return std::isalpha(c) != 0; });
  if (!is_word) return CheckpointFormat::kTensorFlowV2;
  throw Error(ErrorCategory::kUsage,
              fmt::format("no format has files {}; say which one {} is to have with --format",
                          extension, output));
}

CheckpointLocation output_location(const CheckpointLocation& input, CheckpointFormat format,
                                   const std::string& output,
                                   const std::string& default_directory) {
  CheckpointLocation location;
  location.format = traits_of(format).result;
  const std::string name = base_name(input, location.format);
  if (output.empty()) {
    require_named_output(input.path, output);
    location.path = input.path.parent_path() / default_directory / name;
  } else if (output.back() == '/' || fs::is_directory(output) ||
             names_directory_of_shards(location.format, output)) {
    location.path = fs::path(output) / name;
  } else {
    location.path = output;
  }
  std::error_code error;
  // A prefix may have a directory of its name beside its files.
  if (!is_tensorflow(location.format) || !fs::is_directory(location.path, error)) {
    refuse_special_target(location.path);
  }
  if (fs::equivalent(main_file(location), main_file(input), error)) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("the output {} is the input itself; choose another output",
                            location.path.string()));
  }
  return location;
}

std::string result_directory_name(const Scheme& scheme) {
  std::string name = fmt::format("{}_{}bits", to_string(scheme.kind), scheme.bits);
  const auto add = [&name](std::string part) {
    std::erase(part, ':');  // of "percentile:99", "group:64"
    name += "_" + part;
  };
  if (scheme.kind == SchemeKind::kFixedPoint && scheme.scaling == Scaling::kDecimal) add("decimal");
  const FixedFormat& format = scheme.format;
  if (format.fraction_bits.has_value()) {
    const int n = *format.fraction_bits;
    add(format.always_signed ? fmt::format("q{}.{}", scheme.bits - 1 - n, n)
                             : fmt::format("n{}", n));
  } else if (format.always_signed) {
    add("signed");
  }
  if (format.round_mode != FixedFormat().round_mode) add(std::string(to_string(format.round_mode)));
  if (format.overflow == Overflow::kZero) {
    add("overflow-zero");  // "zero" is a round mode
  } else if (format.overflow != FixedFormat().overflow) {
    add(std::string(to_string(format.overflow)));
  }
  if (scheme.granularity.kind != Granularity::Kind::kTensor) add(to_string(scheme.granularity));
  if (scheme.range != Range()) add(to_string(scheme.range));
  return name;
}

}  // namespace narrow
