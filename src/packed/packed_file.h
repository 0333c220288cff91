// A packed file as its parts: what unpacking, verifying and exporting read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/raw_bytes.h"
#include "narrow/packed_checkpoint.h"
#include "packed/packed_layout.h"
#include "packed/packed_metadata.h"
#include "quant/packing/tensor_restorer.h"

namespace narrow {

// The bytes of one stored tensor, front to back. Its checksum is verified when the last ones come.
class CheckedStream {
 public:
  CheckedStream(std::unique_ptr<TensorStream> stream, const TensorInfo& info,
                std::uint32_t checksum, std::string file);
  // Throws Error(kCorrupt) for another checksum, and what the stream throws.
  void read(std::span<std::byte> out);
  // The same for a reader who asks for damage() afterwards: another checksum is no error.
  void read_any(std::span<std::byte> out);
  // What is wrong with the checksum, as the predicate of a sentence about the tensor; empty when
  // nothing is, or before the last bytes.
  [[nodiscard]] std::string damage() const;
  [[nodiscard]] std::uint64_t bytes_left() const { return left_; }

 private:
  std::unique_ptr<TensorStream> stream_;
  std::string name_;
  std::string file_;
  std::uint64_t left_;
  std::uint32_t expected_;
  std::uint32_t crc_ = 0;
};

class PackedFile {
 public:
  explicit PackedFile(const std::filesystem::path& path);

  [[nodiscard]] const CheckpointLocation& location() const { return reader_->location(); }
  [[nodiscard]] const PackedContents& contents() const { return contents_; }
  // Of each tensor of the contents; StoredPart::stored is for open() only.
  [[nodiscard]] const std::vector<StoredPart>& parts(std::size_t tensor) const {
    return layout_.parts[tensor];
  }
  [[nodiscard]] CheckedStream open(const StoredPart& part) const;
  // As the metadata say it.
  [[nodiscard]] std::uint32_t checksum(const StoredPart& part) const {
    return checksums_.at(layout_.stored[part.stored].name);
  }
  // What belongs to no tensor, if there is any.
  [[nodiscard]] std::optional<CheckedStream> open_padding() const;
  // Of a string tensor. Throws Error(kCorrupt) when lengths and characters do not fill the bytes.
  [[nodiscard]] std::vector<std::string> read_strings(std::size_t tensor) const;

 private:
  void find_stored();
  std::vector<std::uint64_t> string_sizes() const;

  std::unique_ptr<CheckpointReader> reader_;
  std::unordered_map<std::string_view, std::size_t> by_name_;  // of reader_->tensors()
  PackedContents contents_;
  StoredChecksums checksums_;
  PackedLayout layout_;
  std::vector<std::size_t> places_;  // of layout_.stored in reader_->tensors()
};

// The file behind an opened checkpoint; lives as long as that.
const PackedFile& file_of(const PackedCheckpoint& packed);

// One piece of one tensor on its way out of a packed file.
struct PackedPiece {
  std::size_t tensor = 0;  // in PackedContents::tensors
  std::uint64_t first_element = 0;
  std::uint64_t elements = 0;
  // Null: `bytes` are the values, or `strings`.
  std::shared_ptr<const TensorRestorer> restorer;
  RawBytes packed;  // from bit first_element * bits % 8 on
  // Of the blocks that come with this piece (TensorRestorer::params_with_piece): whether their
  // codes are signed, and the parameters unless the restorer stores them.
  std::vector<bool> are_signed;
  std::vector<BlockParams> params;
  RawBytes bytes;
  std::vector<std::string> strings;
  bool last = false;

  // Puts the restored values into `bytes`.
  void restore(DType dtype);
};

// Cuts chosen tensors of a packed file into pieces, front to back.
class PackedPieceSource {
 public:
  // `chosen`: positions in PackedContents::tensors; must outlive this, like the file.
  PackedPieceSource(const PackedFile& file, const std::vector<std::size_t>& chosen)
      : file_(file), chosen_(chosen) {}

  // Fills in the next piece, every tensor has at least one; false after the last. Throws
  // Error(kCorrupt) for checksums and parameters.
  bool next(PackedPiece& piece);

 private:
  void begin_tensor();
  void fill_codes(PackedPiece& piece);
  void fill_params(PackedPiece& piece);
  void read_params(const PackedTensor& tensor, std::span<BlockParams> params);
  void fill_values(PackedPiece& piece);

  const PackedFile& file_;
  const std::vector<std::size_t>& chosen_;
  std::size_t chosen_index_ = 0;
  bool is_open_ = false;
  std::shared_ptr<TensorRestorer> restorer_;
  std::vector<CheckedStream> params_;  // one a parameter part
  std::vector<std::byte> param_bytes_;
  std::vector<CheckedStream> values_;  // of codes or unchanged values: one
  std::uint64_t first_element_ = 0;
  std::uint64_t first_block_ = 0;
  std::byte shared_byte_{};  // the last one read: codes of the next piece may begin in it
};

}  // namespace narrow
