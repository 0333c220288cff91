// The stream of pickles.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <unordered_map>

#include "base/bytes.h"
#include "base/checked.h"
#include "checkpoint/pytorch/pickle/pickle_machine.h"
#include "checkpoint/pytorch/pytorch_file.h"
#include "narrow/error.h"

namespace narrow {
namespace {

using namespace std::string_view_literals;
using Kind = PickleValue::Kind;

// 0x1950a86a20f9469cfc6c as a pickle has it.
constexpr std::string_view kMagic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"sv;
constexpr std::int64_t kVersion = 1001;
constexpr std::uint64_t kFirstWindow = 1 << 20;

[[noreturn]] void throw_corrupt(const InputFile& file, const std::string& what) {
  throw Error(ErrorCategory::kCorrupt, fmt::format("{} {}", file.path().string(), what));
}

// The pickles at the beginning of a file, of which nobody says how long they are.
struct Pickles {
  std::vector<char> text;
  Pickle system;
  Pickle values;
  Pickle keys;
  std::uint64_t end = 0;
};

// Nothing when they do not end within `text`.
bool read_pickles(const InputFile& file, Pickles* pickles) {
  const std::string where = file.path().string();
  std::uint64_t position = 0;
  const auto next = [&](Pickle* pickle) {
    auto found =
        read_pickle(std::string_view(pickles->text.data(), pickles->text.size()).substr(position),
                    position, where);
    if (!found) return false;
    position += found->byte_size;
    *pickle = std::move(*found);
    return true;
  };
  Pickle magic;
  Pickle version;
  if (!next(&magic) || !next(&version)) return false;
  if (magic[magic.root].text != kMagic || version[version.root].integer != kVersion) {
    throw_corrupt(file, "does not begin with the magic number and the version 1001 of torch.save");
  }
  if (!next(&pickles->system) || !next(&pickles->values) || !next(&pickles->keys)) return false;
  pickles->end = position;
  return true;
}

Pickles read_pickles(const InputFile& file) {
  const std::uint64_t limit = std::min(file.size(), kMaxPickleBytes);
  for (std::uint64_t window = std::min(limit, kFirstWindow);;
       window = std::min(limit, window * 4)) {
    Pickles pickles;
    pickles.text.resize(window);
    file.read_at(0, std::as_writable_bytes(std::span(pickles.text)));
    if (read_pickles(file, &pickles)) return pickles;
    if (window < limit) continue;
    if (limit == file.size()) throw_corrupt(file, "ends within its pickles");
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("the pickles of {} are longer than the {} bytes that are read; save "
                            "tensors only",
                            file.path().string(), limit));
  }
}

void require_little_endian(const InputFile& file, const Pickle& system) {
  const PickleValue& facts = system[system.root];
  for (std::size_t i = 0; facts.kind == Kind::kDict && i < facts.items.size(); i += 2) {
    const PickleValue& value = system.item(facts, i + 1);
    if (system.item(facts, i).text != "little_endian" || value.integer != 0) continue;
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{} was written by a big-endian machine, but only little-endian files "
                            "are read; save it again on another machine",
                            file.path().string()));
  }
}

// The width of the elements of every storage by its key. The first tensor that has a storage says
// what it consists of, in torch.load too.
std::unordered_map<std::string_view, std::size_t> storage_item_bytes(const Pickle& pickle,
                                                                     const std::string& where) {
  std::unordered_map<std::string_view, std::size_t> sizes;
  for (const PickleValue& value : pickle.values) {
    const auto typed = storage_of(pickle, value, where);
    if (typed && typed->type != nullptr) {
      sizes.emplace(typed->storage.key, typed->storage.item_bytes);
    }
  }
  return sizes;
}

// The place of the storage whose count is at `offset`, with elements of `item_bytes`.
StoragePlace storage_at(const InputFile& file, std::uint64_t offset, std::size_t item_bytes,
                        std::string_view key) {
  std::array<std::byte, sizeof(std::uint64_t)> bytes{};
  file.read_at(offset, bytes);
  const auto count = load_le<std::uint64_t>(bytes.data());
  StoragePlace place{.byte_offset = offset + bytes.size(), .byte_size = 0, .member = {}};
  if (!checked_mul(count, std::uint64_t{item_bytes}, &place.byte_size) ||
      !range_fits(place.byte_offset, place.byte_size, file.size())) {
    throw_corrupt(file, fmt::format("gives storage {} {} elements of {} bytes at byte {}, which is "
                                    "beyond its end at {}: it is truncated or damaged",
                                    key, count, item_bytes, offset, file.size()));
  }
  return place;
}

// Where each storage of `tree` lies. Storages that no tensor needs are passed over.
std::vector<StoragePlace> place_storages(const InputFile& file, const Pickles& pickles,
                                         const TensorTree& tree) {
  std::unordered_map<std::string_view, std::size_t> positions;
  for (const PytorchStorage& storage : tree.storages) {
    positions.emplace(storage.key, positions.size());
  }
  const auto item_bytes = storage_item_bytes(pickles.values, file.path().string());
  std::vector<StoragePlace> places(tree.storages.size());
  std::uint64_t offset = pickles.end;
  const PickleValue& keys = pickles.keys[pickles.keys.root];
  if (keys.kind != Kind::kList) throw_corrupt(file, "has no list of storages after its values");
  for (const PickleIndex index : keys.items) {
    const std::string_view key = pickles.keys[index].text;
    const auto width = item_bytes.find(key);
    if (width == item_bytes.end()) {
      throw_corrupt(file, fmt::format("lists a storage {} that no tensor has", key.substr(0, 100)));
    }
    StoragePlace place = storage_at(file, offset, width->second, key.substr(0, 100));
    offset = place.byte_offset + place.byte_size;
    const auto found = positions.find(key);
    if (found != positions.end()) places[found->second] = std::move(place);
  }
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (places[i].byte_size >= tree.storages[i].byte_size) continue;
    throw_corrupt(
        file, fmt::format("has {} bytes of storage {}, of which {} are needed", places[i].byte_size,
                          tree.storages[i].key.substr(0, 100), tree.storages[i].byte_size));
  }
  return places;
}

}  // namespace

bool is_pytorch_stream(const InputFile& file) {
  // Protocol 4 and later put the number into a frame.
  constexpr auto kStarts = std::to_array<std::string_view>(
      {"\x80\x02\x8a\x0a"sv, "\x80\x03\x8a\x0a"sv, "\x80\x04\x95\x0d\0\0\0\0\0\0\0\x8a\x0a"sv,
       "\x80\x05\x95\x0d\0\0\0\0\0\0\0\x8a\x0a"sv});
  std::array<char, 32> start{};
  const std::size_t size = std::min<std::uint64_t>(start.size(), file.size());
  file.read_at(0, std::as_writable_bytes(std::span(start).first(size)));
  const std::string_view text(start.data(), size);
  return std::ranges::any_of(kStarts, [&](std::string_view known) {
    return text.starts_with(known) && text.substr(known.size()).starts_with(kMagic);
  });
}

PytorchFile read_pytorch_stream(const InputFile& file, const std::string& root_name) {
  const Pickles pickles = read_pickles(file);
  require_little_endian(file, pickles.system);
  TensorTree tree = find_tensors(pickles.values, root_name, file.size(), file.path().string());
  std::vector<StoragePlace> storages = place_storages(file, pickles, tree);
  return {.tensors = std::move(tree.tensors), .storages = std::move(storages)};
}

}  // namespace narrow
