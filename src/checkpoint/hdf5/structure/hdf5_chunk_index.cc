#include "checkpoint/hdf5/structure/hdf5_chunk_index.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/checked.h"
#include "checkpoint/hdf5/structure/hdf5_checksum.h"
#include "checkpoint/hdf5/structure/hdf5_tree.h"

namespace narrow {
namespace {

// The grid of a dataset's chunks.
class ChunkGrid {
 public:
  ChunkGrid(const Hdf5File& file, Hdf5Dataset& dataset) : file_(file), dataset_(dataset) {
    for (std::size_t i = 0; i < dataset.shape.size(); ++i) {
      const auto size = static_cast<std::uint64_t>(dataset.shape[i]);
      const std::uint64_t chunk = dataset.chunk_shape[i];
      counts_.push_back(size / chunk + (size % chunk == 0 ? 0 : 1));
      if (!checked_mul(total_, counts_.back(), &total_)) {
        file.throw_corrupt(0, "a dataset has more chunks than can be counted");
      }
    }
    chunk_bytes_ = dataset.type.size;
    for (const std::uint64_t size : dataset.chunk_shape) chunk_bytes_ *= size;
  }

  [[nodiscard]] std::uint64_t total() const { return total_; }
  [[nodiscard]] std::uint64_t chunk_bytes() const { return chunk_bytes_; }
  [[nodiscard]] bool is_filtered() const { return !dataset_.filters.empty(); }

  // The index of the chunk that begins at the element `offsets`, of which one for each dimension is
  // taken.
  std::uint64_t take_index(Hdf5Cursor& offsets) const {
    std::uint64_t index = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      const std::uint64_t offset = offsets.take_u64();
      const std::uint64_t at = offset / dataset_.chunk_shape[i];
      if (offset % dataset_.chunk_shape[i] != 0 || at >= counts_[i]) {
        offsets.throw_corrupt("has a chunk outside its dataset");
      }
      index = index * counts_[i] + at;
    }
    return index;
  }

  void add(const Hdf5Chunk& chunk) {
    if (chunk.address == kNoHdf5Address) return;
    if (chunk.index >= total_) file_.throw_corrupt(chunk.address, "a chunk outside its dataset");
    file_.require(chunk.address, chunk.stored_bytes, "chunk");
    dataset_.chunks.push_back(chunk);
  }

  void finish() {
    std::ranges::sort(dataset_.chunks, {}, &Hdf5Chunk::index);
    const auto twice = std::ranges::adjacent_find(dataset_.chunks, {}, &Hdf5Chunk::index);
    if (twice != dataset_.chunks.end()) file_.throw_corrupt(twice->address, "a chunk comes twice");
    // What is decoded stays in proportion to the file then.
    std::uint64_t bytes = 0;
    for (const Hdf5Chunk& chunk : dataset_.chunks) {
      bytes += chunk.stored_bytes;
      if (bytes > file_.size()) file_.throw_corrupt(chunk.address, "chunks overlap");
    }
  }

 private:
  const Hdf5File& file_;
  Hdf5Dataset& dataset_;
  std::vector<std::uint64_t> counts_;
  std::uint64_t total_ = 1;
  std::uint64_t chunk_bytes_ = 0;
};

void read_chunk_tree(const Hdf5File& file, std::uint64_t address, std::size_t rank,
                     ChunkGrid& grid) {
  constexpr std::uint8_t kChunks = 1;
  Hdf5Tree tree(file, kChunks, "chunks", 8 + 8 * (rank + 1));
  tree.read(address, [&](Hdf5Cursor key, std::uint64_t child) {
    const std::uint32_t stored_bytes = key.take_u32();
    const std::uint32_t left_out = key.take_u32();
    grid.add({grid.take_index(key), child, stored_bytes, left_out});
  });
}

// What arrays have for each chunk: its address and, under filters, its size and what was left out.
class ElementReader {
 public:
  ElementReader(ChunkGrid& grid, std::uint64_t element_bytes)
      : grid_(grid), element_bytes_(element_bytes) {}

  [[nodiscard]] static bool fits(const ChunkGrid& grid, std::uint64_t element_bytes) {
    return grid.is_filtered() ? element_bytes > 12 && element_bytes <= 20 : element_bytes == 8;
  }

  // Elements as long as `count` last, for the chunks from `index` on; those beyond the grid are
  // spare.
  void take(Hdf5Cursor& cursor, std::uint64_t index, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      Hdf5Chunk chunk{index + i, cursor.take_u64(), grid_.chunk_bytes(), 0};
      if (grid_.is_filtered()) {
        chunk.stored_bytes = cursor.take(element_bytes_ - 12);
        chunk.left_out = cursor.take_u32();
      }
      grid_.add(chunk);
    }
  }

 private:
  ChunkGrid& grid_;
  std::uint64_t element_bytes_;
};

// VII.C: a header, and one data block with all elements, in pages with a checksum each when there
// are many.
void read_fixed_array(const Hdf5File& file, std::uint64_t address, ChunkGrid& grid) {
  const auto bytes = file.read(address, 28, "fixed array");
  check_hdf5_checksum(file, address, bytes, "fixed array");
  Hdf5Cursor cursor(file, address, bytes, "fixed array");
  cursor.expect("FAHD");
  cursor.take_version(0, 0);
  cursor.skip(1);
  const std::uint64_t element_bytes = cursor.take_u8();
  const std::uint8_t page_bits = cursor.take_u8();
  const std::uint64_t count = cursor.take_u64();
  const std::uint64_t block = cursor.take_u64();
  if (!ElementReader::fits(grid, element_bytes) || page_bits > 31 || count > grid.total()) {
    cursor.throw_corrupt("does not fit its dataset");
  }
  if (block == kNoHdf5Address) return;
  file.require(block, count, "fixed array");
  ElementReader elements(grid, element_bytes);
  const std::uint64_t page = std::uint64_t{1} << page_bits;
  constexpr std::uint64_t kPrefix = 14;  // signature, version, client, address of the header
  const std::uint64_t pages = count > page ? (count + page - 1) / page : 0;
  const std::uint64_t bitmap_bytes = (pages + 7) / 8;
  const std::uint64_t size = kPrefix + bitmap_bytes + (pages == 0 ? count * element_bytes : 0) + 4;
  const auto body = file.read(block, size, "fixed array");
  check_hdf5_checksum(file, block, body, "fixed array");
  Hdf5Cursor values(file, block, body, "fixed array");
  values.expect("FADB");
  values.skip(kPrefix - 4);
  if (pages == 0) return elements.take(values, 0, count);
  const auto is_written = values.take_bytes(bitmap_bytes);
  for (std::uint64_t i = 0; i < pages; ++i) {
    const auto flags = std::to_integer<unsigned>(is_written[i / 8]);
    if ((flags >> (7 - i % 8) & 1) == 0) continue;
    const std::uint64_t at = block + size + i * (page * element_bytes + 4);
    const std::uint64_t in_page = std::min(page, count - i * page);
    const auto page_bytes = file.read(at, in_page * element_bytes + 4, "fixed array");
    check_hdf5_checksum(file, at, page_bytes, "fixed array");
    Hdf5Cursor page_cursor(file, at, page_bytes, "fixed array");
    elements.take(page_cursor, i * page, in_page);
  }
}

}  // namespace

void read_hdf5_chunk_tree(const Hdf5File& file, std::uint64_t address, Hdf5Dataset* dataset) {
  if (address == kNoHdf5Address) return;
  ChunkGrid grid(file, *dataset);
  read_chunk_tree(file, address, dataset->shape.size(), grid);
  grid.finish();
}

void read_hdf5_chunk_index_4(const Hdf5File& file, bool is_single_filtered, Hdf5Cursor layout,
                             Hdf5Dataset* dataset) {
  enum Index : std::uint8_t { kSingle = 1, kImplicit, kFixedArray, kExtensibleArray, kTree2 };
  ChunkGrid grid(file, *dataset);
  const std::uint8_t kind = layout.take_u8();
  Hdf5Chunk single{0, 0, grid.chunk_bytes(), 0};
  switch (kind) {
    case kSingle:
      if (is_single_filtered) {
        single.stored_bytes = layout.take_u64();
        single.left_out = layout.take_u32();
      }
      single.address = layout.take_u64();
      if (grid.total() > 1) layout.throw_corrupt("has one chunk where there are several");
      if (grid.total() == 1) grid.add(single);
      break;
    case kImplicit:
      single.address = layout.take_u64();
      if (single.address == kNoHdf5Address) break;
      if (grid.total() > file.size()) layout.throw_corrupt("has more chunks than the file bytes");
      for (std::uint64_t i = 0; i < grid.total(); ++i) {
        grid.add(single);
        single.address += grid.chunk_bytes();
        ++single.index;
      }
      break;
    case kFixedArray: {
      layout.skip(1);
      const std::uint64_t address = layout.take_u64();
      if (address != kNoHdf5Address) read_fixed_array(file, address, grid);
      break;
    }
    case kExtensibleArray:
      file.throw_unsupported("a dataset that may grow along one axis (an extensible array)");
    case kTree2:
      file.throw_unsupported("a dataset that may grow along several axes (a version 2 B-tree)");
    default:
      layout.throw_corrupt(fmt::format("has chunks under an index of type {}", kind));
  }
  grid.finish();
}

}  // namespace narrow
