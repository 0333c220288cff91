#include "checkpoint/hdf5/structure/hdf5_dense_links.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <unordered_map>
#include <unordered_set>

#include "checkpoint/hdf5/structure/hdf5_checksum.h"

namespace narrow {
namespace {

// The bytes of a number up to `limit`, as heaps and trees store it.
std::size_t bytes_of(std::uint64_t limit) { return (std::bit_width(limit | 1) - 1) / 8 + 1; }

int log_2(std::uint64_t value) { return static_cast<int>(std::bit_width(value)) - 1; }

// Objects in blocks whose sizes double from row to row.
class FractalHeap {
 public:
  FractalHeap(const Hdf5File& file, std::uint64_t address) : file_(file) {
    const auto bytes = file.read(address, kHeaderBytes, "fractal heap");
    check_hdf5_checksum(file, address, bytes, "fractal heap");
    Hdf5Cursor cursor(file, address, bytes, "fractal heap");
    cursor.expect("FRHP");
    cursor.take_version(0, 0);
    cursor.skip(2);
    if (cursor.take_u16() != 0) file.throw_unsupported("a group with filters");
    has_checksums_ = (cursor.take_u8() & 2) != 0;
    const std::uint64_t largest_object = cursor.take_u32();
    cursor.skip(12 * 8);
    width_ = cursor.take_u16();
    start_ = cursor.take_u64();
    largest_ = cursor.take_u64();
    offset_bits_ = cursor.take_u16();
    cursor.skip(2);
    root_ = cursor.take_u64();
    rows_ = cursor.take_u16();
    const bool is_sound = width_ > 0 && std::has_single_bit(width_) &&
                          std::has_single_bit(start_) && std::has_single_bit(largest_) &&
                          largest_ >= start_ && largest_ <= kLargestBlock && offset_bits_ >= 1 &&
                          offset_bits_ <= 48;
    if (!is_sound) cursor.throw_corrupt("has sizes that cannot be");
    const auto block_offset_bytes = static_cast<std::size_t>((log_2(largest_) + 7) / 8);
    length_bytes_ = std::min(block_offset_bytes, bytes_of(largest_object));
  }

  // The bytes of a managed object.
  std::span<const std::byte> object(Hdf5Cursor id, std::uint64_t* address) {
    if ((id.take_u8() & 0xf0) != 0) file_.throw_unsupported("a link outside its fractal heap");
    const std::uint64_t offset = id.take(offset_bytes());
    const std::uint64_t length = id.take(length_bytes_);
    const Block block = find_block(offset);
    const auto& bytes = direct_block(block);
    const std::uint64_t begin = offset - block.offset;
    if (begin > bytes.size() || length > bytes.size() - begin) {
      file_.throw_corrupt(block.address, "an object reaches beyond its fractal heap");
    }
    *address = block.address + begin;
    return std::span(bytes).subspan(begin, length);
  }

 private:
  static constexpr std::uint64_t kHeaderBytes = 146;
  static constexpr std::uint64_t kLargestBlock = std::uint64_t{1} << 31;

  struct Block {
    std::uint64_t address = 0;
    std::uint64_t offset = 0;  // of its first byte in the heap
    std::uint64_t size = 0;
  };

  [[nodiscard]] std::size_t offset_bytes() const { return (offset_bits_ + 7) / 8; }
  [[nodiscard]] std::uint64_t block_size(int row) const {
    return row < 1 ? start_ : start_ << (row - 1);
  }
  [[nodiscard]] std::uint64_t row_offset(int row) const {
    return row < 1 ? 0 : start_ * width_ << (row - 1);
  }

  // The direct block that has the byte `offset` of the heap.
  Block find_block(std::uint64_t offset) {
    if (rows_ == 0) return {root_, 0, start_};
    Block block{root_, 0, 0};
    int rows = rows_;
    for (int level = 0; level < 64; ++level) {
      const std::uint64_t within = offset - block.offset;
      const std::uint64_t first_row = start_ * width_;
      const int row = within < first_row ? 0 : log_2(within) - log_2(first_row) + 1;
      if (row >= rows) file_.throw_corrupt(block.address, "an object is beyond its fractal heap");
      const std::uint64_t column = (within - row_offset(row)) / block_size(row);
      const auto& children = indirect_block(block, rows);
      const std::uint64_t at = static_cast<std::uint64_t>(row) * width_ + column;
      if (at >= children.size())
        file_.throw_corrupt(block.address, "a fractal heap has a block twice");
      const std::uint64_t child = children[at];
      block = {child, block.offset + row_offset(row) + column * block_size(row), block_size(row)};
      if (block.size <= largest_) return block;
      rows = log_2(block.size) - log_2(first_row) + 1;
    }
    file_.throw_corrupt(root_, "a fractal heap is too deep");
  }

  const std::vector<std::uint64_t>& indirect_block(const Block& block, int rows) {
    auto& children = indirect_[block.address];
    if (!children.empty()) return children;
    const std::uint64_t count = static_cast<std::uint64_t>(rows) * width_;
    const std::uint64_t size = 13 + offset_bytes() + count * 8 + 4;
    const auto bytes = file_.read(block.address, size, "fractal heap");
    check_hdf5_checksum(file_, block.address, bytes, "fractal heap");
    Hdf5Cursor cursor(file_, block.address, bytes, "fractal heap");
    cursor.expect("FHIB");
    cursor.take_version(0, 0);
    cursor.skip(8 + offset_bytes());
    for (std::uint64_t i = 0; i < count; ++i) children.push_back(cursor.take_u64());
    return children;
  }

  const std::vector<std::byte>& direct_block(const Block& block) {
    auto& bytes = direct_[block.address];
    if (!bytes.empty()) return bytes;
    bytes = file_.read(block.address, block.size, "fractal heap");
    Hdf5Cursor cursor(file_, block.address, bytes, "fractal heap");
    cursor.expect("FHDB");
    cursor.take_version(0, 0);
    cursor.skip(8 + offset_bytes());
    if (!has_checksums_) return bytes;
    const std::size_t at = cursor.position();
    const std::uint32_t stored = cursor.take_u32();
    std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), 4, std::byte{0});
    if (hdf5_checksum(bytes) != stored) {
      file_.throw_corrupt(block.address, "the checksum of a fractal heap does not match");
    }
    return bytes;
  }

  const Hdf5File& file_;
  bool has_checksums_ = false;
  std::uint64_t width_ = 0;    // blocks of a row
  std::uint64_t start_ = 0;    // bytes of a block of the first two rows
  std::uint64_t largest_ = 0;  // bytes of the largest direct block
  std::size_t offset_bits_ = 0;
  std::size_t length_bytes_ = 0;
  std::uint64_t root_ = 0;
  int rows_ = 0;  // of the root; 0 if it is a direct block
  std::unordered_map<std::uint64_t, std::vector<std::uint64_t>> indirect_;
  std::unordered_map<std::uint64_t, std::vector<std::byte>> direct_;
};

// The records of a version 2 B-tree of link names.
class NameTree {
 public:
  NameTree(const Hdf5File& file, std::uint64_t address, FractalHeap& heap)
      : file_(file), heap_(heap) {
    const auto bytes = file.read(address, 38, "B-tree");
    check_hdf5_checksum(file, address, bytes, "B-tree");
    Hdf5Cursor cursor(file, address, bytes, "B-tree");
    cursor.expect("BTHD");
    cursor.take_version(0, 0);
    constexpr std::uint8_t kLinkNames = 5;
    if (cursor.take_u8() != kLinkNames) cursor.throw_corrupt("is not one of link names");
    node_bytes_ = cursor.take_u32();
    record_bytes_ = cursor.take_u16();
    depth_ = cursor.take_u16();
    cursor.skip(2);
    root_ = cursor.take_u64();
    root_records_ = cursor.take_u16();
    constexpr int kMostLevels = 16;
    if (record_bytes_ < 5 || node_bytes_ < 64 || depth_ > kMostLevels) {
      cursor.throw_corrupt("has sizes that cannot be");
    }
    set_levels();
  }

  std::vector<Hdf5Link> read() {
    if (root_ != kNoHdf5Address) read_node(root_, root_records_, depth_);
    return std::move(links_);
  }

 private:
  // Signature, version, type, checksum.
  static constexpr std::uint64_t kNodeBytes = 10;

  // How many bytes count the records below a node of each level: the more the node may have.
  void set_levels() {
    const std::uint64_t leaf_records = (node_bytes_ - kNodeBytes) / record_bytes_;
    count_bytes_ = bytes_of(leaf_records);
    std::uint64_t below = leaf_records;
    total_bytes_.push_back(0);
    for (int level = 1; level <= depth_; ++level) {
      const std::uint64_t pointer = 8 + count_bytes_ + total_bytes_.back();
      if (node_bytes_ < kNodeBytes + pointer) file_.throw_corrupt(root_, "a B-tree is too narrow");
      const std::uint64_t records =
          (node_bytes_ - kNodeBytes - pointer) / (record_bytes_ + pointer);
      below = (records + 1) * below + records;
      total_bytes_.push_back(bytes_of(below));
    }
  }

  void read_node(std::uint64_t address, std::uint64_t records, int level) {
    if (!seen_.insert(address).second) file_.throw_corrupt(address, "a B-tree leads to itself");
    const auto index = static_cast<std::size_t>(level);
    const std::uint64_t pointer = level == 0 ? 0 : 8 + count_bytes_ + total_bytes_[index - 1];
    const std::uint64_t size =
        kNodeBytes + records * record_bytes_ + (level == 0 ? 0 : (records + 1) * pointer);
    const auto bytes = file_.read(address, size, "B-tree");
    check_hdf5_checksum(file_, address, bytes, "B-tree");
    Hdf5Cursor cursor(file_, address, bytes, "B-tree");
    cursor.expect(level == 0 ? "BTLF" : "BTIN");
    cursor.take_version(0, 0);
    cursor.skip(1);
    for (std::uint64_t i = 0; i < records; ++i) {
      cursor.skip(4);  // a checksum of the name
      const std::uint64_t at = cursor.address();
      add({file_, at, cursor.take_bytes(record_bytes_ - 4), "heap ID"});
    }
    if (level == 0) return;
    for (std::uint64_t i = 0; i <= records; ++i) {
      const std::uint64_t child = cursor.take_u64();
      const std::uint64_t count = cursor.take(count_bytes_);
      cursor.skip(total_bytes_[index - 1]);
      read_node(child, count, level - 1);
    }
  }

  void add(Hdf5Cursor id) {
    std::uint64_t address = 0;
    const auto bytes = heap_.object(id, &address);
    links_.push_back(read_hdf5_link({file_, address, bytes, "link"}));
  }

  const Hdf5File& file_;
  FractalHeap& heap_;
  std::uint64_t node_bytes_ = 0;
  std::uint64_t record_bytes_ = 0;
  int depth_ = 0;
  std::uint64_t root_ = 0;
  std::uint64_t root_records_ = 0;
  std::size_t count_bytes_ = 0;
  std::vector<std::size_t> total_bytes_;  // of nodes of each level
  std::unordered_set<std::uint64_t> seen_;
  std::vector<Hdf5Link> links_;
};

}  // namespace

std::vector<Hdf5Link> read_hdf5_dense_links(const Hdf5File& file, std::uint64_t heap_address,
                                            std::uint64_t tree_address) {
  FractalHeap heap(file, heap_address);
  return NameTree(file, tree_address, heap).read();
}

}  // namespace narrow
