#include "checkpoint/hdf5/structure/hdf5_links.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <unordered_set>

#include "checkpoint/hdf5/structure/hdf5_dense_links.h"
#include "checkpoint/hdf5/structure/hdf5_tree.h"

namespace narrow {
namespace {

constexpr std::size_t kLongestName = 4096;
constexpr std::uint64_t kEntryBytes = 40;
constexpr std::uint32_t kSoftLink = 2;

// The names of a symbol table.
class LocalHeap {
 public:
  LocalHeap(const Hdf5File& file, std::uint64_t address) : file_(file) {
    const auto bytes = file.read(address, 32, "local heap");
    Hdf5Cursor cursor(file, address, bytes, "local heap");
    cursor.expect("HEAP");
    cursor.take_version(0, 0);
    cursor.skip(3);
    const std::uint64_t size = cursor.take_u64();
    cursor.skip(8);
    address_ = cursor.take_u64();
    bytes_ = file.read(address_, size, "local heap");
  }

  [[nodiscard]] std::string name_at(std::uint64_t offset) const {
    if (offset >= bytes_.size()) file_.throw_corrupt(address_, "a name is beyond its local heap");
    const std::string_view rest(reinterpret_cast<const char*>(bytes_.data()) + offset,
                                bytes_.size() - offset);
    const std::size_t end = rest.substr(0, kLongestName + 1).find('\0');
    if (end == std::string_view::npos) {
      file_.throw_corrupt(address_ + offset, "a name has no end");
    }
    check_hdf5_name(file_, address_ + offset, rest.substr(0, end));
    return std::string(rest.substr(0, end));
  }

 private:
  const Hdf5File& file_;
  std::uint64_t address_ = 0;
  std::vector<std::byte> bytes_;
};

class SymbolTable {
 public:
  SymbolTable(const Hdf5File& file, std::uint64_t heap) : file_(file), heap_(file, heap) {}

  std::vector<Hdf5Link> read(std::uint64_t tree) {
    constexpr std::uint8_t kNames = 0;
    constexpr std::uint64_t kKeyBytes = 8;  // a name before those of the child
    Hdf5Tree(file_, kNames, "names", kKeyBytes)
        .read(tree, [this](const Hdf5Cursor& /*key*/, std::uint64_t leaf) { read_leaf(leaf); });
    return std::move(links_);
  }

 private:
  void read_leaf(std::uint64_t address) {
    constexpr std::uint64_t kHeadBytes = 8;
    if (!seen_.insert(address).second) file_.throw_corrupt(address, "a B-tree has a leaf twice");
    const auto head = file_.read(address, kHeadBytes, "symbol table node");
    Hdf5Cursor cursor(file_, address, head, "symbol table node");
    cursor.expect("SNOD");
    cursor.take_version(1, 1);
    cursor.skip(1);
    const std::uint64_t count = cursor.take_u16();
    const auto body = file_.read(address + kHeadBytes, count * kEntryBytes, "symbol table node");
    Hdf5Cursor entries(file_, address + kHeadBytes, body, "symbol table node");
    for (std::uint64_t i = 0; i < count; ++i) {
      std::string name = heap_.name_at(entries.take_u64());
      const std::uint64_t object = entries.take_u64();
      if (entries.take_u32() == kSoftLink) {
        file_.throw_unsupported(fmt::format("a soft link {}", name));
      }
      entries.skip(20);
      links_.push_back({std::move(name), object});
    }
  }

  const Hdf5File& file_;
  LocalHeap heap_;
  std::unordered_set<std::uint64_t> seen_;  // leaves
  std::vector<Hdf5Link> links_;
};

}  // namespace

void check_hdf5_name(const Hdf5File& file, std::uint64_t address, std::string_view name) {
  if (name.size() > kLongestName) {
    file.throw_unsupported(fmt::format("a name of {} bytes", name.size()));
  }
  if (name.empty() || name.find('/') != std::string_view::npos ||
      name.find('\0') != std::string_view::npos) {
    file.throw_corrupt(address, "a name is empty or has a slash or a zero byte in it");
  }
}

Hdf5Link read_hdf5_link(Hdf5Cursor cursor) {
  constexpr std::uint8_t kHard = 0;
  constexpr std::uint8_t kSoft = 1;
  cursor.take_version(1, 1);
  const std::uint8_t flags = cursor.take_u8();
  const std::uint8_t kind = (flags & 1 << 3) != 0 ? cursor.take_u8() : kHard;
  if ((flags & 1 << 2) != 0) cursor.skip(8);  // when it was made
  if ((flags & 1 << 4) != 0) cursor.skip(1);  // its character set
  const std::uint64_t size = cursor.take(std::size_t{1} << (flags & 3));
  const std::uint64_t address = cursor.address();
  const auto bytes = cursor.take_bytes(size);
  std::string name(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  check_hdf5_name(cursor.file(), address, name);
  if (kind != kHard) {
    cursor.file().throw_unsupported(
        fmt::format("{} link {}", kind == kSoft ? "a soft" : "an external", name));
  }
  return {std::move(name), cursor.take_u64()};
}

std::vector<Hdf5Link> read_hdf5_links(const Hdf5File& file, const Hdf5Object& group) {
  if (const Hdf5Message* table = group.find(Hdf5MessageType::kSymbolTable)) {
    Hdf5Cursor cursor = table->cursor(file, "symbol table message");
    const std::uint64_t tree = cursor.take_u64();
    return SymbolTable(file, cursor.take_u64()).read(tree);
  }
  std::vector<Hdf5Link> links;
  for (const Hdf5Message& message : group.messages) {
    if (message.type != Hdf5MessageType::kLink) continue;
    links.push_back(read_hdf5_link(message.cursor(file, "link")));
  }
  if (const Hdf5Message* info = group.find(Hdf5MessageType::kLinkInfo)) {
    Hdf5Cursor cursor = info->cursor(file, "link info");
    cursor.take_version(0, 0);
    if ((cursor.take_u8() & 1) != 0) cursor.skip(8);
    const std::uint64_t heap = cursor.take_u64();
    const std::uint64_t names = cursor.take_u64();
    if (heap != kNoHdf5Address) {
      for (Hdf5Link& link : read_hdf5_dense_links(file, heap, names)) {
        links.push_back(std::move(link));
      }
    }
  }
  return links;
}

}  // namespace narrow
