#include "checkpoint/hdf5/structure/hdf5_text.h"

#include <fmt/format.h>

namespace narrow {
namespace {

std::string_view up_to_zero(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return text.substr(0, text.find('\0'));
}

std::uint64_t padded(std::uint64_t size) { return (size + 7) / 8 * 8; }

}  // namespace

const Hdf5GlobalHeaps::Collection& Hdf5GlobalHeaps::collection(std::uint64_t address) {
  const auto [found, is_new] = collections_.try_emplace(address);
  Collection& collection = found->second;
  if (!is_new) return collection;
  constexpr std::uint64_t kHeadBytes = 16;
  const auto head = file_.read(address, kHeadBytes, "global heap");
  Hdf5Cursor cursor(file_, address, head, "global heap");
  cursor.expect("GCOL");
  cursor.take_version(1, 1);
  cursor.skip(3);
  collection.bytes = file_.read(address, cursor.take_u64(), "global heap");
  Hdf5Cursor objects(file_, address, collection.bytes, "global heap");
  objects.skip(kHeadBytes);
  while (objects.left() >= kHeadBytes) {
    const std::uint64_t index = objects.take_u16();
    objects.skip(6);
    const std::uint64_t size = objects.take_u64();
    if (index == 0) break;  // free room up to the end
    const std::uint64_t begin = objects.position();
    if (size > objects.left()) objects.throw_corrupt("has an object that is longer than itself");
    objects.skip(std::min<std::uint64_t>(padded(size), objects.left()));
    collection.objects.emplace(index, Place{begin, size});
  }
  return collection;
}

std::string Hdf5GlobalHeaps::text(Hdf5Cursor value) {
  const std::uint64_t length = value.take_u32();
  const std::uint64_t address = value.take_u64();
  const std::uint64_t index = value.take_u32();
  if (length == 0) return "";
  const Collection& heap = collection(address);
  const auto found = heap.objects.find(index);
  if (found == heap.objects.end() || found->second.size < length) {
    file_.throw_corrupt(
        address, fmt::format("the global heap lacks {} bytes of its object {}", length, index));
  }
  text_bytes_ += length;
  if (text_bytes_ > file_.size()) file_.throw_corrupt(address, "texts overlap in the global heap");
  return std::string(up_to_zero(std::span(heap.bytes).subspan(found->second.begin, length)));
}

std::vector<std::string> read_hdf5_texts(const Hdf5Type& type, Hdf5Cursor values,
                                         Hdf5GlobalHeaps& heaps) {
  std::vector<std::string> texts;
  while (values.left() >= type.size) {
    const std::uint64_t address = values.address();
    const auto value = values.take_bytes(type.size);
    if (type.text == Hdf5Type::Text::kFixed) {
      texts.emplace_back(up_to_zero(value));
    } else {
      texts.push_back(heaps.text({values.file(), address, value, "text"}));
    }
  }
  return texts;
}

std::vector<std::string> read_hdf5_text_attribute(const Hdf5File& file, const Hdf5Object& object,
                                                  std::string_view name, Hdf5GlobalHeaps& heaps) {
  for (const Hdf5Message& message : object.messages) {
    if (message.type != Hdf5MessageType::kAttribute || message.is_shared) continue;
    Hdf5Cursor cursor = message.cursor(file, "attribute");
    const std::uint8_t version = cursor.take_version(1, 3);
    const bool is_shared = cursor.take_u8() != 0 && version > 1;
    const std::uint64_t name_bytes = cursor.take_u16();
    const std::uint64_t type_bytes = cursor.take_u16();
    const std::uint64_t shape_bytes = cursor.take_u16();
    if (version == 3) cursor.skip(1);
    const auto place = [&](std::uint64_t size) { return version == 1 ? padded(size) : size; };
    const auto found = up_to_zero(cursor.take_bytes(name_bytes));
    if (found != name || is_shared) continue;
    cursor.skip(place(name_bytes) - name_bytes);
    const std::uint64_t type_at = cursor.address();
    Hdf5Cursor type_cursor(file, type_at, cursor.take_bytes(place(type_bytes)), "attribute");
    const Hdf5Type type = read_hdf5_type(type_cursor);
    if (type.text == Hdf5Type::Text::kNone) return {};
    cursor.skip(place(shape_bytes));
    const std::uint64_t values_at = cursor.address();
    return read_hdf5_texts(type, {file, values_at, cursor.take_bytes(cursor.left()), "attribute"},
                           heaps);
  }
  return {};
}

}  // namespace narrow
