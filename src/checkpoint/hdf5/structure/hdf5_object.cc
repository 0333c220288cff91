#include "checkpoint/hdf5/structure/hdf5_object.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_set>

#include "checkpoint/hdf5/structure/hdf5_checksum.h"

namespace narrow {
namespace {

constexpr std::string_view kWhat = "object header";
constexpr std::uint8_t kShared = 1 << 1;
constexpr std::uint8_t kMustBeUnderstood = 1 << 7;

constexpr std::array kKnown = {
    Hdf5MessageType::kDataspace,     Hdf5MessageType::kLinkInfo,  Hdf5MessageType::kDatatype,
    Hdf5MessageType::kOldFillValue,  Hdf5MessageType::kFillValue, Hdf5MessageType::kLink,
    Hdf5MessageType::kExternalFiles, Hdf5MessageType::kLayout,    Hdf5MessageType::kGroupInfo,
    Hdf5MessageType::kFilters,       Hdf5MessageType::kAttribute, Hdf5MessageType::kContinuation,
    Hdf5MessageType::kSymbolTable};
// Times, comments, drivers and counts of references say nothing about tensors.
constexpr std::uint16_t kLastPublished = 0x18;

class HeaderReader {
 public:
  HeaderReader(const Hdf5File& file, std::uint64_t address)
      : file_(file), object_{.address = address, .messages = {}} {}

  Hdf5Object read() {
    const auto start = file_.read(object_.address, 4, kWhat);
    if (start[0] == std::byte{1}) {
      read_version_1();
    } else {
      read_version_2();
    }
    for (std::size_t i = 0; i < continuations_.size(); ++i) {
      const Block block = continuations_[i];  // the list grows meanwhile
      read_continuation(block);
    }
    return std::move(object_);
  }

 private:
  struct Block {
    std::uint64_t address = 0;
    std::uint64_t size = 0;
  };

  // IV.A.1.a: 12 bytes, aligned to 16, and the messages.
  void read_version_1() {
    const auto bytes = file_.read(object_.address, 16, kWhat);
    Hdf5Cursor cursor(file_, object_.address, bytes, kWhat);
    cursor.take_version(1, 1);
    cursor.skip(7);
    const std::uint64_t size = cursor.take_u32();
    const std::uint64_t begin = object_.address + 16;
    const auto block = file_.read(begin, size, kWhat);
    take_messages_1({file_, begin, block, kWhat});
  }

  void take_messages_1(Hdf5Cursor cursor) {
    while (cursor.left() >= 8) {
      const std::uint16_t type = cursor.take_u16();
      const std::uint16_t size = cursor.take_u16();
      const std::uint8_t flags = cursor.take_u8();
      cursor.skip(3);
      add(cursor, type, size, flags, {});
    }
  }

  // IV.A.1.b
  void read_version_2() {
    const auto start = file_.read(object_.address, 6, kWhat);
    Hdf5Cursor cursor(file_, object_.address, start, kWhat);
    cursor.expect("OHDR");
    cursor.take_version(2, 2);
    flags_ = cursor.take_u8();
    const std::uint64_t optional =
        ((flags_ & 1 << 5) != 0 ? 16 : 0) + ((flags_ & 1 << 4) != 0 ? 4 : 0);
    const std::size_t size_bytes = std::size_t{1} << (flags_ & 3);
    const auto prefix = file_.read(object_.address, 6 + optional + size_bytes, kWhat);
    Hdf5Cursor size_cursor(file_, object_.address, prefix, kWhat);
    size_cursor.skip(6 + optional);
    const std::uint64_t size = size_cursor.take(size_bytes);
    file_.require(object_.address, size, kWhat);
    take_block_2({object_.address, prefix.size() + size + 4}, prefix.size());
  }

  void take_block_2(const Block& block, std::size_t prefix_bytes) {
    const auto bytes = file_.read(block.address, block.size, kWhat);
    check_hdf5_checksum(file_, block.address, bytes, kWhat);
    Hdf5Cursor cursor(file_, block.address, std::span(bytes).first(bytes.size() - 4), kWhat);
    cursor.skip(prefix_bytes);
    const bool has_order = (flags_ & 1 << 2) != 0;
    const std::size_t message_bytes = has_order ? 6 : 4;
    while (cursor.left() >= message_bytes) {
      const std::uint8_t type = cursor.take_u8();
      const std::uint16_t size = cursor.take_u16();
      const std::uint8_t flags = cursor.take_u8();
      if (has_order) cursor.skip(2);
      add(cursor, type, size, flags, block);
    }
  }

  void read_continuation(const Block& block) {
    if (flags_ == kVersion1) {
      const auto bytes = file_.read(block.address, block.size, kWhat);
      take_messages_1({file_, block.address, bytes, kWhat});
      return;
    }
    if (block.size < 8) file_.throw_corrupt(block.address, "an object header is cut off");
    const auto signature = file_.read(block.address, 4, kWhat);
    Hdf5Cursor(file_, block.address, signature, kWhat).expect("OCHK");
    take_block_2(block, 4);
  }

  void add(Hdf5Cursor& cursor, std::uint16_t type, std::uint16_t size, std::uint8_t flags,
           const Block& block) {
    const std::uint64_t address = cursor.address();
    const auto body = cursor.take_bytes(size);
    const auto known = static_cast<Hdf5MessageType>(type);
    if (std::ranges::find(kKnown, known) == kKnown.end()) {
      if (type > kLastPublished && (flags & kMustBeUnderstood) != 0) {
        file_.throw_unsupported(fmt::format("an object header with a message of type {}", type));
      }
      return;
    }
    if (known == Hdf5MessageType::kContinuation) {
      Hdf5Cursor place(file_, address, body, "continuation");
      const std::uint64_t begin = place.take_u64();
      continue_at({begin, place.take_u64()});
      return;
    }
    object_.messages.push_back({.type = known,
                                .is_shared = (flags & kShared) != 0,
                                .address = address,
                                .block = block.address,
                                .block_bytes = block.size,
                                .body = {body.begin(), body.end()}});
  }

  void continue_at(const Block& block) {
    if (!seen_.insert(block.address).second) {
      file_.throw_corrupt(block.address, "an object header continues where it has been");
    }
    continuations_.push_back(block);
  }

  static constexpr std::uint16_t kVersion1 = 0xffff;

  const Hdf5File& file_;
  Hdf5Object object_;
  std::uint16_t flags_ = kVersion1;  // of version 2
  std::vector<Block> continuations_;
  std::unordered_set<std::uint64_t> seen_;
};

}  // namespace

const Hdf5Message* Hdf5Object::find(Hdf5MessageType type) const {
  const auto found = std::ranges::find(messages, type, &Hdf5Message::type);
  return found == messages.end() ? nullptr : &*found;
}

bool Hdf5Object::is_group() const {
  return find(Hdf5MessageType::kSymbolTable) != nullptr ||
         find(Hdf5MessageType::kLinkInfo) != nullptr || find(Hdf5MessageType::kLink) != nullptr;
}

Hdf5Object read_hdf5_object(const Hdf5File& file, std::uint64_t address) {
  return HeaderReader(file, address).read();
}

}  // namespace narrow
