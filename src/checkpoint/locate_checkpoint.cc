#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/file.h"
#include "base/join_some.h"
#include "base/special_file.h"
#include "checkpoint/container/formats.h"
#include "checkpoint/container/known_files.h"
#include "checkpoint/tensorflow/interrupted_checkpoints.h"
#include "checkpoint/tensorflow/shards/v1_shards.h"
#include "checkpoint/tensorflow/state_file.h"
#include "narrow/error.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

bool leads_to_directory(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

bool leads_somewhere(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

fs::path with_suffix(const fs::path& prefix, const char* suffix) {
  fs::path path = prefix;
  path += suffix;
  return path;
}

// Whether a file that belongs to a TensorFlow checkpoint may end in `text`: .index, .meta and
// .data-00000-of-00001.
bool is_suffix(std::string_view text) {
  if (text == ".index" || text == ".meta") return true;
  std::string form(text);
  std::replace_if(
      form.begin(), form.end(), [](char c) { return c >= '0' && c <= '9'; }, '0');
  return form == ".data-00000-of-00000";
}

// `path` without the ending of a file that belongs to a TensorFlow checkpoint; nothing if it has no
// such ending.
std::optional<fs::path> without_suffix(const fs::path& path) {
  const std::string name = path.filename().string();
  // The first one of name.index.meta: dots in a prefix are no endings.
  for (std::size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1)) {
    if (dot > 0 && is_suffix(std::string_view(name).substr(dot))) {
      return path.parent_path() / name.substr(0, dot);
    }
  }
  return std::nullopt;
}

bool is_shard_index_name(const fs::path& path) {
  return std::ranges::any_of(checkpoint_drivers(), [&](const CheckpointDriver& driver) {
    return driver.traits.format == CheckpointFormat::kSafetensorsShards &&
           path.filename().string().ends_with(driver.traits.extension);
  });
}

// The V2 checkpoint whose index is `index`, if that is an index and not something else of the name.
std::optional<CheckpointLocation> locate_index(const fs::path& index) {
  if (!leads_somewhere(index) || leads_to_directory(index)) return std::nullopt;
  const InputFile file(index);
  if (!looks_like_tensorflow_table(file) ||
      tensorflow_table_format(file) != CheckpointFormat::kTensorFlowV2) {
    return std::nullopt;
  }
  fs::path prefix = index;
  prefix.replace_extension();
  return CheckpointLocation{.format = CheckpointFormat::kTensorFlowV2, .path = prefix};
}

// The format that the content of a file shows.
std::optional<CheckpointLocation> locate_file(const fs::path& path) {
  const InputFile file(path);
  const auto found = [&](CheckpointFormat format) {
    return CheckpointLocation{.format = format, .path = path};
  };
  if (looks_like_tensorflow_table(file)) {
    const CheckpointFormat format = tensorflow_table_format(file);
    if (format == CheckpointFormat::kTensorFlowV1) {
      const auto shards = parse_v1_shards(path);
      return CheckpointLocation{format, shards ? v1_location_path(*shards) : path};
    }
    if (path.extension() == ".index") return locate_index(path);
    if (is_input_stream(path)) {
      throw Error(
          ErrorCategory::kUnsupported,
          fmt::format("{} gives the index of a TensorFlow V2 checkpoint, whose values lie in "
                      "other files: it cannot come out of a pipe; name its prefix",
                      path.string()));
    }
    throw Error(ErrorCategory::kNotFound,
                fmt::format("{} is the index of a TensorFlow V2 checkpoint, but is not called "
                            "PREFIX.index, so that its data files cannot be found: rename it",
                            path.string()));
  }
  for (const CheckpointDriver& driver : checkpoint_drivers()) {
    if (driver.looks_like != nullptr && driver.looks_like(file)) return found(driver.traits.format);
  }
  return std::nullopt;
}

// The TensorFlow V1 checkpoint in several files that `path` means, where no file is called so.
std::optional<CheckpointLocation> locate_v1_shards(const fs::path& path) {
  auto shards = parse_v1_shards(path);
  if (!shards) shards = find_v1_shards(path);
  if (!shards) return std::nullopt;
  for (int i = 0; i < shards->count; ++i) {
    const fs::path file = shards->file(i);
    if (!leads_somewhere(file) || leads_to_directory(file)) continue;
    const auto location = locate_file(file);
    if (location && location->format == CheckpointFormat::kTensorFlowV1) return location;
    break;
  }
  return std::nullopt;
}

[[noreturn]] void throw_not_found(const fs::path& path) {
  const fs::path directory = path.has_parent_path() ? path.parent_path() : fs::path(".");
  if (!leads_to_directory(directory)) {
    throw Error(ErrorCategory::kNotFound,
                fmt::format("there is no checkpoint {}: the directory {} does not exist",
                            path.string(), directory.string()));
  }
  throw Error(
      ErrorCategory::kNotFound,
      fmt::format("there is no checkpoint {}: neither such a file nor {} exists; {} holds {}",
                  path.string(), with_suffix(path, ".index").filename().string(),
                  directory.string(), list_prefixes(directory)));
}

[[noreturn]] void throw_not_an_index(const fs::path& index) {
  const auto known = describe_known_file(InputFile(index));
  throw Error(ErrorCategory::kCorrupt,
              fmt::format("{} is not the index of a TensorFlow checkpoint: it {}", index.string(),
                          known.value_or("is truncated or something else; fetch or write it "
                                         "again")));
}

[[noreturn]] void throw_not_a_checkpoint(const fs::path& path) {
  const auto known = describe_known_file(InputFile(path));
  throw Error(
      ErrorCategory::kUnsupported,
      fmt::format("{} is not a checkpoint this program reads: it {}", path.string(),
                  known.value_or("is neither a TensorFlow checkpoint or graph nor one of the "
                                 "other formats that this program reads")));
}

// What the ending of `path` says when its content says nothing.
std::optional<CheckpointLocation> locate_by_suffix(const fs::path& path) {
  const auto prefix = without_suffix(path);
  if (!prefix) return std::nullopt;
  const fs::path index = with_suffix(*prefix, ".index");
  if (const auto location = locate_index(index)) return location;
  if (path.extension() == ".meta") {
    if (leads_somewhere(*prefix)) return locate_file(*prefix);
    if (const auto location = locate_v1_shards(*prefix)) return location;
  }
  if (leads_somewhere(index)) throw_not_an_index(index);
  if (!leads_somewhere(path)) return std::nullopt;
  throw Error(ErrorCategory::kNotFound,
              fmt::format("{} belongs to the TensorFlow checkpoint {}, whose index {} is missing: "
                          "put it beside",
                          path.string(), prefix->string(), index.string()));
}

CheckpointLocation locate_path(const fs::path& path) {
  // An index that is missing may be on its way.
  if (is_shard_index_name(path)) finish_checkpoints(path.parent_path());
  const auto lock = lock_checkpoint(without_suffix(path).value_or(path));
  const fs::path index = with_suffix(path, ".index");
  if (const auto location = locate_index(index)) return *location;
  if (leads_somewhere(path)) {
    if (const auto location = locate_file(path)) return *location;
  }
  if (const auto location = locate_by_suffix(path)) return *location;
  if (leads_somewhere(path)) throw_not_a_checkpoint(path);
  if (leads_somewhere(index)) throw_not_an_index(index);
  if (const auto location = locate_v1_shards(path)) return *location;
  throw_not_found(path);
}

// Whether files of a format are called so.
bool is_extension(std::string_view ending) {
  return !ending.empty() &&
         std::ranges::any_of(checkpoint_drivers(), [&](const CheckpointDriver& driver) {
           return driver.traits.extension == ending;
         });
}

// The files of other formats in a directory, as part of a sentence; empty for none.
std::string list_flat_files(const fs::path& directory) {
  constexpr std::size_t kMostListed = 3;
  std::vector<std::string> names;
  std::error_code error;
  for (auto at = fs::directory_iterator(directory, error); !error && at != end(at);
       at.increment(error)) {
    if (!is_extension(at->path().extension().string())) continue;
    names.push_back(at->path().filename().string());
  }
  std::ranges::sort(names);
  return list_some(names, kMostListed);
}

// The index of safetensors files in `directory`. Throws Error(kNotFound) when there are several.
std::optional<CheckpointLocation> locate_shards(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (auto at = fs::directory_iterator(directory, error); !error && at != end(at);
       at.increment(error)) {
    if (is_shard_index_name(at->path())) names.push_back(at->path().filename().string());
  }
  if (names.empty()) return std::nullopt;
  if (names.size() == 1) return locate_file(directory / names.front());
  std::ranges::sort(names);
  throw Error(ErrorCategory::kNotFound, fmt::format("{} holds several checkpoints: name one of {}",
                                                    directory.string(), fmt::join(names, ", ")));
}

CheckpointLocation locate_in_directory(const fs::path& directory) {
  finish_checkpoints(directory);  // one of them may be the first, without its state file
  if (!leads_somewhere(directory / kStateFileName)) {
    // A SavedModel has its variables here, and no state file.
    if (auto location = locate_index(directory / "variables" / "variables.index")) return *location;
    if (leads_somewhere(directory / "saved_model.pb")) {
      throw Error(ErrorCategory::kNotFound,
                  fmt::format("{} is a SavedModel without variables: it has no checkpoint {}",
                              directory.string(), (directory / "variables/variables").string()));
    }
    if (auto location = locate_shards(directory)) return *location;
    const std::string files = list_flat_files(directory);
    if (!files.empty()) {
      throw Error(
          ErrorCategory::kNotFound,
          fmt::format("{} is a directory without a TensorFlow state file; it holds {}: name "
                      "one of its files",
                      directory.string(), files));
    }
  }
  return locate_path(newest_in_state_file(directory));
}

}  // namespace

CheckpointLocation locate_checkpoint(const fs::path& path) {
  if (path.empty()) return locate_in_directory(".");
  if (leads_to_directory(path)) return locate_in_directory(path);
  // The state file itself, unless somebody gave a checkpoint its name.
  if (path.filename() == kStateFileName && leads_somewhere(path) && !locate_file(path)) {
    const fs::path directory = path.parent_path();
    return locate_path(newest_in_state_file(directory.empty() ? fs::path(".") : directory));
  }
  return locate_path(path);
}

}  // namespace narrow
