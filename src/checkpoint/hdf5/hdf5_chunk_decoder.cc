#include "checkpoint/hdf5/hdf5_chunk_decoder.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>

#include "base/bytes.h"
#include "checkpoint/hdf5/structure/hdf5_checksum.h"

namespace narrow {
namespace {

constexpr std::uint64_t kChecksumBytes = 4;
// Deflate codes at most 258 bytes in 2 bits.
constexpr std::uint64_t kMaxDeflateRatio = 1032;

using Bytes = std::vector<std::byte>;

class ChunkDecoder {
 public:
  ChunkDecoder(const Hdf5File& file, const Hdf5Dataset& dataset, const Hdf5Chunk& chunk)
      : file_(file), dataset_(dataset), chunk_(chunk) {}

  // "The filter pipeline" of the dataset backwards.
  Bytes decode() {
    const std::vector<std::uint64_t> sizes = sizes_before_filters();
    Bytes bytes(chunk_.stored_bytes);
    file_.input().read_at(file_.offset_of(chunk_.address), bytes);
    for (std::size_t i = dataset_.filters.size(); i-- > 0;) {
      if (!is_applied(i)) continue;
      switch (dataset_.filters[i]) {
        case Hdf5Filter::kDeflate:
          bytes = inflate(bytes, sizes[i]);
          break;
        case Hdf5Filter::kShuffle:
          bytes = unshuffle(bytes);
          break;
        case Hdf5Filter::kFletcher32:
          check_sum(bytes);
          bytes.resize(bytes.size() - kChecksumBytes);
          break;
      }
    }
    return bytes;
  }

 private:
  [[nodiscard]] bool is_applied(std::size_t filter) const {
    return filter >= 32 || (chunk_.left_out >> filter & 1) == 0;
  }

  // What every filter was given; checks what the last one made.
  [[nodiscard]] std::vector<std::uint64_t> sizes_before_filters() const {
    std::uint64_t size = dataset_.type.size;
    for (const std::uint64_t dim : dataset_.chunk_shape) size *= dim;
    std::vector<std::uint64_t> sizes;
    bool is_deflated = false;
    for (std::size_t i = 0; i < dataset_.filters.size(); ++i) {
      sizes.push_back(size);
      if (!is_applied(i)) continue;
      if (dataset_.filters[i] == Hdf5Filter::kDeflate) is_deflated = true;
      if (dataset_.filters[i] == Hdf5Filter::kFletcher32) size += kChecksumBytes;
    }
    const bool is_possible =
        is_deflated ? size / kMaxDeflateRatio <= chunk_.stored_bytes : size == chunk_.stored_bytes;
    if (!is_possible) {
      file_.throw_corrupt(chunk_.address, fmt::format("a chunk of {} bytes cannot hold {}",
                                                      chunk_.stored_bytes, size));
    }
    return sizes;
  }

  [[nodiscard]] Bytes inflate(const Bytes& from, std::uint64_t size) const {
    Bytes to(size);
    auto written = static_cast<uLongf>(size);
    const int result =
        uncompress(reinterpret_cast<Bytef*>(to.data()), &written,
                   reinterpret_cast<const Bytef*>(from.data()), static_cast<uLong>(from.size()));
    if (result == Z_MEM_ERROR) throw std::bad_alloc();
    if (result != Z_OK || written != size) {
      file_.throw_corrupt(chunk_.address, "the compressed data of a chunk are damaged");
    }
    return to;
  }

  // First bytes of all elements, second bytes of all, ...; what is no whole element comes last.
  [[nodiscard]] Bytes unshuffle(const Bytes& from) const {
    const std::uint64_t width = dataset_.type.size;
    const std::uint64_t count = from.size() / width;
    Bytes to(from.size());
    for (std::uint64_t b = 0; b < width; ++b) {
      const std::byte* plane = from.data() + b * count;
      for (std::uint64_t i = 0; i < count; ++i) to[i * width + b] = plane[i];
    }
    std::copy(from.begin() + static_cast<std::ptrdiff_t>(count * width), from.end(),
              to.begin() + static_cast<std::ptrdiff_t>(count * width));
    return to;
  }

  void check_sum(const Bytes& bytes) const {
    if (bytes.size() < kChecksumBytes) {
      file_.throw_corrupt(chunk_.address, "a chunk is shorter than its checksum");
    }
    const auto values = std::span(bytes).first(bytes.size() - kChecksumBytes);
    const auto stored = load_le<std::uint32_t>(bytes.data() + values.size());
    const std::uint32_t found = hdf5_fletcher32(values);
    if (found == stored) return;
    file_.throw_corrupt(
        chunk_.address,
        fmt::format("the checksum of a chunk is {:08x} instead of {:08x}", found, stored));
  }

  const Hdf5File& file_;
  const Hdf5Dataset& dataset_;
  const Hdf5Chunk& chunk_;
};

}  // namespace

std::vector<std::byte> decode_hdf5_chunk(const Hdf5File& file, const Hdf5Dataset& dataset,
                                         const Hdf5Chunk& chunk) {
  return ChunkDecoder(file, dataset, chunk).decode();
}

}  // namespace narrow
