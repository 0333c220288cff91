// The JSON is read event by event: whatever the nesting or the size, the memory used is that of the
// names found.
#include "checkpoint/safetensors/shards/shard_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "base/file.h"
#include "base/utf8.h"
#include "checkpoint/safetensors/safetensors_sax.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr const char* kMapKey = "weight_map";
constexpr const char* kMetadataKey = "metadata";
constexpr const char* kTotalKey = "total_size";

// A name of a file in the directory of the index, and of nothing else.
bool is_plain_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\0", 2)) == std::string::npos;
}

// The interface of nlohmann::json_sax; after a false, problem() says what is wrong, in the words
// that follow "the index FILE ".
class ShardIndexSax {
 public:
  bool null() { return scalar("null"); }
  bool boolean(bool value) { return scalar(value ? "true" : "false"); }
  bool number_integer(std::int64_t value) { return scalar(std::to_string(value)); }
  bool number_unsigned(std::uint64_t value) { return scalar(std::to_string(value)); }
  bool number_float(double, const std::string& text) { return scalar(text); }
  bool binary(nlohmann::json::binary_t&) { return scalar("null"); }
  bool string(std::string& text) {
    if (!is_in(kMapKey)) return scalar(nlohmann::json(text).dump());
    if (!is_plain_name(text)) {
      return fail(
          fmt::format("lets tensor {} lie in '{}', which is not the name of a file beside "
                      "the index",
                      excerpt(key_), shown(excerpt(text))));
    }
    files.insert(text);
    weight_map.emplace_back(key_, text);
    return true;
  }
  bool start_object(std::size_t) { return enter(true); }
  bool start_array(std::size_t) { return enter(false); }
  bool end_object() { return leave(); }
  bool end_array() { return leave(); }
  bool key(std::string& text) {
    if (depth_ == 1) {
      section_ = text;
      if (text != kMapKey) return true;
      return !std::exchange(has_map_, true) || fail("has weight_map twice");
    }
    if (depth_ != 2) return true;
    key_ = text;
    if (section_ != kMapKey) return true;
    return names_.insert(text).second ||
           fail(fmt::format("lists {} twice; names have to be unique", excerpt(text)));
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) {
    return fail(fmt::format("is not valid JSON at byte {}", position));
  }

  [[nodiscard]] const std::string& problem() const { return problem_; }
  [[nodiscard]] bool has_map() const { return has_map_; }
  std::set<std::string> files;
  std::vector<std::pair<std::string, std::string>> weight_map;
  std::map<std::string, std::string> members;

 private:
  bool fail(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }
  // Whether the value that comes is a member of the object `section`.
  [[nodiscard]] bool is_in(const char* section) const { return depth_ == 2 && section_ == section; }
  bool scalar(std::string json) {
    if (depth_ == 0) return fail("is not a JSON object");
    if (depth_ == 1 && section_ == kMapKey) return fail("has a weight_map that is no object");
    if (is_in(kMapKey)) return fail(fmt::format("names no file for tensor {}", excerpt(key_)));
    if (is_in(kMetadataKey) && key_ != kTotalKey) members[key_] = std::move(json);
    return true;
  }
  bool enter(bool is_object) {
    if (depth_ == 0 && !is_object) return fail("is not a JSON object");
    if (depth_ == 1 && section_ == kMapKey && !is_object) {
      return fail("has a weight_map that is no object");
    }
    // What lies in a list has no key.
    if (depth_ == 1 && !is_object) section_.clear();
    if (is_in(kMapKey)) return fail(fmt::format("names no file for tensor {}", excerpt(key_)));
    ++depth_;
    return true;
  }
  bool leave() {
    --depth_;
    return true;
  }

  std::size_t depth_ = 0;
  std::string section_;  // the key of the outermost object
  std::string key_;
  bool has_map_ = false;
  std::set<std::string> names_;
  std::string problem_;
};

}  // namespace

ShardIndex parse_shard_index(std::string_view json, const std::string& path) {
  const auto refuse = [&](const std::string& problem) {
    throw Error(ErrorCategory::kCorrupt, fmt::format("the index {} {}", path, problem));
  };
  ShardIndexSax sax;
  if (!nlohmann::json::sax_parse(json, &sax)) refuse(sax.problem());
  if (!sax.has_map()) refuse("has no weight_map, which says where the tensors are");
  ShardIndex index;
  index.files.assign(sax.files.begin(), sax.files.end());
  for (auto& [tensor, file] : sax.weight_map) {
    const auto found = std::ranges::lower_bound(index.files, file);
    index.file_of.emplace(std::move(tensor), static_cast<std::size_t>(found - index.files.begin()));
  }
  index.members = std::move(sax.members);
  return index;
}

ShardIndex read_shard_index(const std::filesystem::path& path) {
  return parse_shard_index(read_small_file(path, kMaxShardIndexBytes), path.string());
}

std::string build_shard_index(const ShardIndex& index, std::uint64_t total_bytes) {
  const auto quoted = [](const std::string& text) {
    try {
      return nlohmann::json(text).dump();
    } catch (const nlohmann::json::exception&) {
      throw Error(ErrorCategory::kUnsupported,
                  fmt::format("the text {} is not UTF-8, which an index in JSON demands", text));
    }
  };
  std::map<std::string, std::string> members = index.members;
  members[kTotalKey] = std::to_string(total_bytes);
  const auto object = [&](const std::vector<std::string>& lines) {
    return lines.empty() ? std::string("{}")
                         : fmt::format("{{\n    {}\n  }}", fmt::join(lines, ",\n    "));
  };
  std::vector<std::string> lines;
  for (const auto& [key, json] : members) lines.push_back(quoted(key) + ": " + json);
  const std::string metadata = object(lines);
  lines.clear();
  for (const auto& [tensor, file] : index.file_of) {
    lines.push_back(quoted(tensor) + ": " + quoted(index.files[file]));
  }
  return fmt::format("{{\n  \"{}\": {},\n  \"{}\": {}\n}}\n", kMetadataKey, metadata, kMapKey,
                     object(lines));
}

}  // namespace narrow
