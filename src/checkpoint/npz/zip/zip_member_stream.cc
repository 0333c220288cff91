#include "checkpoint/npz/zip/zip_member_stream.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "checkpoint/container/file_range_stream.h"
#include "checkpoint/npz/zip/zip_crc32.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::uint64_t kInputBytes = 1 << 16;
// Checksums are taken while the bytes are still in the cache.
constexpr std::size_t kPieceBytes = 1 << 18;

class MemberStream : public TensorStream {
 public:
  MemberStream(const InputFile& file, ZipMember member)
      : file_(file), member_(std::move(member)), left_(member_.byte_size) {}

  void read(std::span<std::byte> out) final {
    if (out.size() > left_) throw_past_end(member_.name, out.size(), left_);
    while (!out.empty()) {
      const auto piece = out.first(std::min(out.size(), kPieceBytes));
      fill(piece);
      crc_ = extend_zip_crc32(crc_, piece);
      left_ -= piece.size();
      out = out.subspan(piece.size());
      if (left_ == 0) check_end();
    }
  }

 protected:
  [[noreturn]] void throw_corrupt(const std::string& problem) const {
    throw Error(ErrorCategory::kCorrupt, fmt::format("member {} of {} is damaged: {}", member_.name,
                                                     file_.path().string(), problem));
  }

  const InputFile& file_;
  ZipMember member_;

 private:
  virtual void fill(std::span<std::byte> out) = 0;
  virtual void check_nothing_left() {}

  void check_end() {
    check_nothing_left();
    if (crc_ != member_.crc32) {
      throw_corrupt(fmt::format("its checksum is {:08x} instead of {:08x}", crc_, member_.crc32));
    }
  }

  std::uint64_t left_;
  std::uint32_t crc_ = 0;
};

class StoredStream final : public MemberStream {
 public:
  using MemberStream::MemberStream;

 private:
  void fill(std::span<std::byte> out) override {
    file_.read_at(member_.data_offset + position_, out);
    position_ += out.size();
  }

  std::uint64_t position_ = 0;
};

class DeflatedStream final : public MemberStream {
 public:
  DeflatedStream(const InputFile& file, ZipMember member) : MemberStream(file, std::move(member)) {
    input_.resize(std::min(kInputBytes, member_.stored_bytes));
    // Negative window bits: no zlib header around the data.
    if (inflateInit2(&zlib_, -MAX_WBITS) != Z_OK) throw std::bad_alloc();
  }
  ~DeflatedStream() override { inflateEnd(&zlib_); }
  DeflatedStream(const DeflatedStream&) = delete;
  DeflatedStream& operator=(const DeflatedStream&) = delete;

 private:
  void fill(std::span<std::byte> out) override {
    if (inflate_into(out) != out.size()) throw_corrupt("its compressed data end too early");
  }

  void check_nothing_left() override {
    std::byte extra[1];
    if (inflate_into(extra) != 0 || zlib_.avail_in != 0 || read_bytes_ != member_.stored_bytes) {
      throw_corrupt("it has more compressed data than its size allows");
    }
  }

  // Bytes delivered; fewer than asked for only at the end of the compressed data.
  std::size_t inflate_into(std::span<std::byte> out) {
    zlib_.next_out = reinterpret_cast<Bytef*>(out.data());
    zlib_.avail_out = static_cast<uInt>(out.size());
    while (zlib_.avail_out > 0 && !at_end_) {
      if (zlib_.avail_in == 0) refill();
      const int result = inflate(&zlib_, Z_NO_FLUSH);
      at_end_ = result == Z_STREAM_END;
      if (result == Z_MEM_ERROR) throw std::bad_alloc();
      if (!at_end_ && result != Z_OK) {
        throw_corrupt(zlib_.msg != nullptr ? zlib_.msg : "its compressed data end too early");
      }
    }
    return out.size() - zlib_.avail_out;
  }

  void refill() {
    const std::uint64_t count =
        std::min<std::uint64_t>(input_.size(), member_.stored_bytes - read_bytes_);
    const auto piece = std::span(input_).first(count);
    file_.read_at(member_.data_offset + read_bytes_, piece);
    read_bytes_ += count;
    zlib_.next_in = reinterpret_cast<Bytef*>(piece.data());
    zlib_.avail_in = static_cast<uInt>(count);
  }

  z_stream zlib_{};
  std::vector<std::byte> input_;
  std::uint64_t read_bytes_ = 0;
  bool at_end_ = false;
};

}  // namespace

std::unique_ptr<TensorStream> open_zip_member(const InputFile& file, const ZipMember& member) {
  if (member.deflated) return std::make_unique<DeflatedStream>(file, member);
  return std::make_unique<StoredStream>(file, member);
}

}  // namespace narrow
