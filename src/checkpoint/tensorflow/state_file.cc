#include "checkpoint/tensorflow/state_file.h"

#include <fmt/format.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <system_error>
#include <vector>

#include "base/file.h"
#include "base/staging/staged_output.h"
#include "checkpoint/tensorflow/interrupted_checkpoints.h"
#include "checkpoint/tensorflow/shards/v1_shards.h"
#include "checkpoint/tensorflow/v2_index.h"
#include "narrow/error.h"
#include "tensorflow_checkpoint.pb.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;
using tensorflow::CheckpointState;

constexpr std::uint64_t kMaxStateBytes = std::uint64_t{1} << 24;
constexpr std::size_t kMaxListed = 8;

// Without a collector protobuf would print its complaints.
class SilentCollector final : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int /*line*/, google::protobuf::io::ColumnNumber /*column*/,
                const std::string& /*message*/) override {}
};

std::optional<CheckpointState> parse_state(const std::string& text) {
  SilentCollector collector;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&collector);
  CheckpointState state;
  if (!parser.ParseFromString(text, &state)) return std::nullopt;
  return state;
}

bool is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

bool is_checkpoint(const fs::path& prefix) {
  const auto shards = parse_v1_shards(prefix);
  return is_file(v2_index_path(prefix)) || is_file(prefix) || (shards && is_file(shards->file(0)));
}

[[noreturn]] void throw_unusable(const fs::path& directory, const std::string& problem) {
  throw Error(ErrorCategory::kNotFound,
              fmt::format("{} {}; it holds {}: name the checkpoint itself", directory.string(),
                          problem, list_prefixes(directory)));
}

// Whether a listed path means the checkpoint PREFIX<number> in `directory` itself.
bool is_numbered(const fs::path& directory, const fs::path& listed, std::string_view prefix) {
  const auto home = [](const fs::path& path) {
    return fs::absolute(path).lexically_normal().parent_path();
  };
  if (home(directory / listed) != home(directory / prefix)) return false;
  const std::string name = listed.filename().string();
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return name.size() > prefix.size() && name.starts_with(prefix) &&
         std::all_of(name.begin() + static_cast<std::ptrdiff_t>(prefix.size()), name.end(),
                     is_digit);
}

// Nothing without a state file that can be understood.
std::optional<CheckpointState> read_state(const fs::path& directory) {
  const fs::path file = directory / kStateFileName;
  if (!is_file(file)) return std::nullopt;
  return parse_state(read_small_file(file, kMaxStateBytes));
}

// The oldest of the checkpoints PREFIX<number> that `state` lists, all but `keep`.
std::set<std::string> surplus_paths(const fs::path& directory, const CheckpointState& state,
                                    std::string_view prefix, std::size_t keep) {
  std::vector<std::string> numbered;
  for (const std::string& path : state.all_model_checkpoint_paths()) {
    if (!is_numbered(directory, path, prefix)) continue;
    // One that is listed under two spellings is as new as the later.
    std::erase_if(numbered, [&path](const std::string& earlier) {
      return fs::path(earlier).filename() == fs::path(path).filename();
    });
    numbered.push_back(path);
  }
  const std::size_t surplus = numbered.size() - std::min(keep, numbered.size());
  return {numbered.begin(), numbered.begin() + static_cast<std::ptrdiff_t>(surplus)};
}

CheckpointState without_paths(CheckpointState state, const std::set<std::string>& paths) {
  const auto listed = state.all_model_checkpoint_paths();
  state.clear_all_model_checkpoint_paths();
  for (const std::string& path : listed) {
    if (!paths.contains(path)) state.add_all_model_checkpoint_paths(path);
  }
  return state;
}

// The index first: what it names is there as long as it is.
void remove_checkpoint(const fs::path& prefix) {
  std::error_code error;  // a file that stays only takes space
  fs::remove(v2_index_path(prefix), error);
  fs::remove(v2_data_path(prefix, 0, 1), error);
}

std::string text_of(const CheckpointState& state) {
  std::string text;
  google::protobuf::TextFormat::PrintToString(state, &text);
  return text;
}

}  // namespace

std::string list_prefixes(const fs::path& directory) {
  std::set<std::string> prefixes;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    const fs::path& path = entry->path();
    if (path.extension() == ".index") prefixes.insert(path.stem().string());
  }
  if (prefixes.empty()) return "no TensorFlow checkpoint";
  std::string text;
  std::size_t listed = 0;
  for (const std::string& prefix : prefixes) {
    if (listed == kMaxListed) return fmt::format("{} and {} more", text, prefixes.size() - listed);
    text += (listed++ == 0 ? "" : ", ") + prefix;
  }
  return text;
}

fs::path newest_in_state_file(const fs::path& directory) {
  finish_checkpoints(directory);
  const fs::path file = directory / kStateFileName;
  if (!is_file(file)) {
    throw_unusable(directory, fmt::format("is a directory without the file '{}'", kStateFileName));
  }
  const auto state = parse_state(read_small_file(file, kMaxStateBytes));
  if (!state || state->model_checkpoint_path().empty()) {
    throw_unusable(directory,
                   fmt::format("has a file '{}' that names no checkpoint", kStateFileName));
  }
  const fs::path named(state->model_checkpoint_path());
  // operator/ keeps an absolute path as it is.
  for (const fs::path& candidate : {directory / named, directory / named.filename()}) {
    if (candidate.has_filename() && is_checkpoint(candidate)) return candidate;
  }
  throw_unusable(directory, fmt::format("has a file '{}' that names {}, which is not there",
                                        kStateFileName, named.string()));
}

std::string state_file_text(const fs::path& directory, const std::string& name) {
  CheckpointState state;
  state.set_model_checkpoint_path(name);
  if (const auto present = read_state(directory)) {
    for (const auto& path : present->all_model_checkpoint_paths()) {
      if (path != name) state.add_all_model_checkpoint_paths(path);
    }
  }
  state.add_all_model_checkpoint_paths(name);
  return text_of(state);
}

void keep_newest_checkpoints(const fs::path& directory, std::string_view prefix, std::size_t keep) {
  const auto present = read_state(directory);
  if (!present || surplus_paths(directory, *present, prefix, keep).empty()) return;
  // Another process may have changed it meanwhile: what counts is what it says under the lock.
  const auto shortened = [&](const fs::path& home, const std::string& added) {
    // An interrupted checkpoint that is finished on the way.
    if (!added.empty()) return state_file_text(home, added);
    const CheckpointState state = read_state(directory).value_or(*present);
    const std::set<std::string> surplus = surplus_paths(directory, state, prefix, keep);
    for (const std::string& path : surplus) {
      remove_checkpoint(directory / fs::path(path).filename());
    }
    return text_of(without_paths(state, surplus));
  };
  StagedOutput(directory, {}, Overwrite::kYes,
               LateFile{.name = kStateFileName, .note = "", .content = shortened})
      .commit();
}

}  // namespace narrow
