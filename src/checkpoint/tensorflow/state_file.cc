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
#include "base/staged_output.h"
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
  return is_file(v2_index_path(prefix)) || is_file(prefix);
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
  const fs::path file = directory / kStateFileName;
  if (is_file(file)) {
    const auto present = parse_state(read_small_file(file, kMaxStateBytes));
    if (present) {
      for (const auto& path : present->all_model_checkpoint_paths()) {
        if (path != name) state.add_all_model_checkpoint_paths(path);
      }
    }
  }
  state.add_all_model_checkpoint_paths(name);
  return text_of(state);
}

void keep_newest_checkpoints(const fs::path& directory, std::string_view prefix, std::size_t keep) {
  const fs::path file = directory / kStateFileName;
  if (!is_file(file)) return;
  auto state = parse_state(read_small_file(file, kMaxStateBytes));
  if (!state) return;
  std::vector<std::string> listed(state->all_model_checkpoint_paths().begin(),
                                  state->all_model_checkpoint_paths().end());
  const auto counts = [&](const std::string& path) { return is_numbered(directory, path, prefix); };
  auto surplus = std::ranges::count_if(listed, counts) - static_cast<std::ptrdiff_t>(keep);
  if (surplus <= 0) return;
  state->clear_all_model_checkpoint_paths();
  for (const std::string& path : listed) {
    if (surplus <= 0 || !counts(path)) {
      state->add_all_model_checkpoint_paths(path);
      continue;
    }
    --surplus;
    const fs::path checkpoint = directory / fs::path(path).filename();
    std::error_code error;  // a file that stays only takes space
    fs::remove(v2_index_path(checkpoint), error);
    fs::remove(v2_data_path(checkpoint, 0, 1), error);
  }
  StagedOutput staged(directory, {kStateFileName}, Overwrite::kYes);
  OutputFile out(staged.staging_path(kStateFileName));
  out.write(text_of(*state));
  out.finish();
  staged.commit();
}

}  // namespace narrow
