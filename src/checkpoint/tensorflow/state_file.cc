#include "checkpoint/tensorflow/state_file.h"

#include <fmt/format.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <optional>
#include <set>
#include <system_error>

#include "base/file.h"
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
  std::string text;
  google::protobuf::TextFormat::PrintToString(state, &text);
  return text;
}

}  // namespace narrow
