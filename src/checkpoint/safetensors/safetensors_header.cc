#include "checkpoint/safetensors/safetensors_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>

#include "base/bytes.h"
#include "base/utf8.h"
#include "checkpoint/container/cannot_hold.h"
#include "checkpoint/safetensors/safetensors_sax.h"
#include "narrow/error.h"

namespace narrow {
namespace {

[[noreturn]] void throw_corrupt(const std::string& file, const std::string& problem) {
  throw Error(ErrorCategory::kCorrupt, fmt::format("the header of {} {}", file, problem));
}

// Types of the format that are not computed with. Any other name may come: the format grows.
constexpr std::array<std::pair<std::string_view, std::uint64_t>, 6> kOpaqueBits = {{
    {"F4", 4},
    {"F6_E2M3", 6},
    {"F6_E3M2", 6},
    {"F8_E8M0", 8},
    {"F8_E4M3FNUZ", 8},
    {"F8_E5M2FNUZ", 8},
}};

// Bytes of the values of `info`; those in the file for a type of unknown width.
std::uint64_t needed_bytes(const TensorInfo& info) {
  const std::uint64_t elements = element_count(info.shape);
  if (info.dtype != DType::kOpaque) return info.byte_size();
  const auto* known = std::ranges::find(kOpaqueBits, std::string_view(info.opaque.name),
                                        &decltype(kOpaqueBits)::value_type::first);
  if (known == kOpaqueBits.end()) return info.opaque.byte_size;
  return elements / 8 * known->second + (elements % 8 * known->second + 7) / 8;
}

std::uint64_t checked_byte_size(const TensorInfo& info, const std::string& file) {
  try {
    return needed_bytes(info);
  } catch (const Error& error) {
    throw_corrupt(file,
                  fmt::format("is wrong for tensor {}: {}", excerpt(info.name), error.what()));
  }
}

// Checks where the tensors lie, and notes the size of opaque ones.
void check_places(std::vector<SafetensorsEntry>& entries, std::uint64_t data_bytes,
                  const std::string& file) {
  std::uint64_t position = 0;
  for (SafetensorsEntry& entry : entries) {
    if (entry.begin != position) {
      throw_corrupt(file, fmt::format("places tensor {} at data byte {}, but the tensor before it "
                                      "ends at {}: there is a gap or an overlap",
                                      excerpt(entry.info.name), entry.begin, position));
    }
    if (entry.end < entry.begin || entry.end > data_bytes) {
      throw_corrupt(file,
                    fmt::format("lets tensor {} end at data byte {}, which is not between "
                                "its begin {} and the {} bytes of data: the file is "
                                "truncated or damaged",
                                excerpt(entry.info.name), entry.end, entry.begin, data_bytes));
    }
    if (entry.info.dtype == DType::kOpaque) entry.info.opaque.byte_size = entry.end - entry.begin;
    const std::uint64_t byte_size = checked_byte_size(entry.info, file);
    if (entry.end - entry.begin != byte_size) {
      throw_corrupt(file, fmt::format("gives tensor {} {} bytes, but {} {} needs {}",
                                      excerpt(entry.info.name), entry.end - entry.begin,
                                      excerpt(std::string(entry.info.type_name())),
                                      to_string(entry.info.shape), byte_size));
    }
    position = entry.end;
  }
  if (position != data_bytes) {
    throw_corrupt(
        file, fmt::format("describes {} bytes of data, but the file has {}", position, data_bytes));
  }
}

std::string quoted(const std::string& text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception&) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("the text {} is not UTF-8, which safetensors demands; rename the "
                            "tensor",
                            text),
                {Remedy::Kind::kOtherFormat, "npz"});
  }
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view json, std::uint64_t data_bytes,
                                           const std::string& file) {
  if (!json.starts_with('{')) throw_corrupt(file, "does not begin with '{'");
  SafetensorsSax sax;
  if (!nlohmann::json::sax_parse(json, &sax)) {
    throw Error(sax.category(), fmt::format("the header of {} {}", file, sax.problem()));
  }
  SafetensorsHeader header = std::move(sax.header);
  // Tensors without elements share their begin with the tensor that follows them.
  std::stable_sort(header.entries.begin(), header.entries.end(),
                   [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
                     return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
                   });
  check_places(header.entries, data_bytes, file);
  return header;
}

void require_safetensors_tensor(const TensorInfo& info) {
  if (!safetensors_type_name(info)) throw_cannot_hold("a safetensors file", info);
  if (info.name == "__metadata__") {
    throw Error(ErrorCategory::kUnsupported, "safetensors reserves the tensor name __metadata__",
                {Remedy::Kind::kOtherFormat, "tf or npz"});
  }
  if (is_utf8(info.name)) return;
  throw Error(
      ErrorCategory::kUnsupported,
      fmt::format("safetensors cannot hold tensor {}, whose name is not UTF-8; exclude it or "
                  "rename it",
                  info.name),
      {Remedy::Kind::kOtherFormat, "tf or npz"});
}

std::string build_safetensors_header(const std::vector<TensorInfo>& tensors,
                                     const std::map<std::string, std::string>& metadata,
                                     std::size_t alignment) {
  std::vector<std::string> parts;
  if (!metadata.empty()) {
    std::vector<std::string> pairs;
    for (const auto& [key, value] : metadata) pairs.push_back(quoted(key) + ":" + quoted(value));
    parts.push_back(fmt::format("\"__metadata__\":{{{}}}", fmt::join(pairs, ",")));
  }
  std::uint64_t position = 0;
  for (const TensorInfo& info : tensors) {
    const std::uint64_t end = position + info.byte_size();
    parts.push_back(fmt::format(R"({}:{{"dtype":{},"shape":[{}],"data_offsets":[{},{}]}})",
                                quoted(info.name), quoted(*safetensors_type_name(info)),
                                fmt::join(info.shape, ","), position, end));
    position = end;
  }
  std::string text = fmt::format("{{{}}}", fmt::join(parts, ","));
  const std::size_t unpadded = kSafetensorsPrefixBytes + text.size();
  text.append((alignment - unpadded % alignment) % alignment, ' ');
  if (text.size() > kMaxSafetensorsHeaderBytes) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("a safetensors header of {} bytes is needed, but the format allows {}; "
                            "write fewer tensors",
                            text.size(), kMaxSafetensorsHeaderBytes),
                {Remedy::Kind::kOtherFormat, "tf"});
  }
  std::string prefix(kSafetensorsPrefixBytes, '\0');
  store_le(prefix.data(), std::uint64_t{text.size()});
  return prefix + text;
}

}  // namespace narrow
