#include "checkpoint/tensorflow/table/block_check.h"

#include <string>

#include "base/bytes.h"

namespace narrow {
namespace {

constexpr std::size_t kWord = sizeof(std::uint32_t);

std::optional<std::uint64_t> take_varint(std::string_view* bytes, unsigned max_bits) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < max_bits && !bytes->empty(); shift += 7) {
    const auto byte = static_cast<std::uint8_t>(bytes->front());
    const std::uint64_t low = byte & 0x7fU;
    bytes->remove_prefix(1);
    if (shift + 7 > max_bits && low >> (max_bits - shift) != 0) return std::nullopt;
    value |= low << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

struct Entry {
  std::size_t shared = 0;
  std::string_view unshared;
  std::string_view value;
};

std::optional<Entry> take_entry(std::string_view* bytes) {
  const auto shared = take_varint(bytes, 32);
  const auto unshared = shared ? take_varint(bytes, 32) : std::nullopt;
  const auto value = unshared ? take_varint(bytes, 32) : std::nullopt;
  // Both are below 2^32, so that the sum is right.
  if (!value || *unshared + *value > bytes->size()) return std::nullopt;
  Entry entry{.shared = *shared,
              .unshared = bytes->substr(0, *unshared),
              .value = bytes->substr(*unshared, *value)};
  bytes->remove_prefix(*unshared + *value);
  return entry;
}

// The entries without the restart array.
std::string_view entry_bytes(std::string_view content, std::uint32_t restart_count) {
  return content.substr(0, content.size() - kWord * (std::size_t{restart_count} + 1));
}

std::uint32_t load_restart_count(std::string_view content) {
  return load_le<std::uint32_t>(content.data() + content.size() - kWord);
}

}  // namespace

std::optional<BlockHandle> take_block_handle(std::string_view* bytes) {
  const auto offset = take_varint(bytes, 64);
  const auto size = offset ? take_varint(bytes, 64) : std::nullopt;
  if (!size) return std::nullopt;
  return BlockHandle{.offset = *offset, .size = *size};
}

const char* find_block_problem(std::string_view content) {
  if (content.size() < 2 * kWord) return "a block is too short";
  const std::uint32_t restart_count = load_restart_count(content);
  if (restart_count == 0 || restart_count > content.size() / kWord - 1) {
    return "a block has an impossible number of restart offsets";
  }
  std::string_view rest = entry_bytes(content, restart_count);
  const std::size_t entries_size = rest.size();
  const char* restarts = content.data() + entries_size;
  const auto restart = [&](std::uint32_t i) {
    return load_le<std::uint32_t>(restarts + kWord * i);
  };
  if (restart(0) != 0) return "the first restart offset of a block is not 0";
  if (entries_size == 0) {
    return restart_count == 1 ? nullptr : "an empty block has several restart offsets";
  }
  std::uint32_t restarts_seen = 0;
  std::string key;
  for (bool first = true; !rest.empty(); first = false) {
    const std::size_t entry_offset = entries_size - rest.size();
    const auto entry = take_entry(&rest);
    if (!entry || entry->shared > key.size()) return "an entry of a block leaves the block";
    if (restarts_seen < restart_count && restart(restarts_seen) == entry_offset) {
      if (entry->shared != 0) return "a key at a restart offset is not complete";
      ++restarts_seen;
    }
    if (entry->shared + entry->unshared.size() > kMaxKeyBytes) return "a key is too long";
    if (!first && std::string_view(key).substr(entry->shared) >= entry->unshared) {
      return "the keys of a block do not ascend";
    }
    key.resize(entry->shared);
    key.append(entry->unshared);
  }
  return restarts_seen == restart_count ? nullptr : "a restart offset is not the start of an entry";
}

void for_each_block_value(std::string_view content,
                          const std::function<void(std::string_view)>& visit) {
  std::string_view rest = entry_bytes(content, load_restart_count(content));
  while (!rest.empty()) visit(take_entry(&rest)->value);
}

}  // namespace narrow
