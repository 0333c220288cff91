#include "packed/export/code_stream.h"

#include <algorithm>

#include "base/crc32c.h"
#include "packed/stored_params.h"
#include "quant/packing/pack_bits.h"

namespace narrow {
namespace {

// Turns bit patterns into codes, knowing which blocks have signed ones.
class CodeReader {
 public:
  explicit CodeReader(const PackedTensor& tensor)
      : scheme_(*tensor.scheme), layout_(block_layout(scheme_.granularity, tensor.info, 0)) {}

  std::span<const std::int64_t> read(const PackedPiece& piece) {
    const bool is_local = layout_.kind == BlockLayout::Kind::kLocal;
    if (is_local) are_signed_.clear();
    are_signed_.insert(are_signed_.end(), piece.are_signed.begin(), piece.are_signed.end());
    patterns_.resize(piece.elements);
    codes_.resize(piece.elements);
    const auto bits = static_cast<std::uint64_t>(scheme_.bits);
    unpack_bits(piece.packed, scheme_.bits, static_cast<unsigned>(piece.first_element * bits % 8),
                patterns_);
    for (std::uint64_t i = 0; i < piece.elements; ++i) {
      const std::uint64_t block =
          is_local ? i / layout_.run : layout_.block_of(piece.first_element + i);
      codes_[i] =
          are_signed_[block] ? signed_code(patterns_[i], scheme_.bits) : std::int64_t{patterns_[i]};
    }
    return codes_;
  }

 private:
  const Scheme& scheme_;
  BlockLayout layout_;
  std::vector<bool> are_signed_;  // of the blocks of the piece, or of all so far
  std::vector<std::uint32_t> patterns_;
  std::vector<std::int64_t> codes_;
};

template <typename Take>
void read_tensor(const PackedFile& file, std::size_t index, const Take& take) {
  const std::vector<std::size_t> chosen = {index};
  PackedPieceSource source(file, chosen);
  CodeReader reader(file.contents().tensors[index]);
  PackedPiece piece;
  while (source.next(piece)) {
    if (piece.elements > 0) take(reader.read(piece), piece.are_signed);
  }
}

}  // namespace

void for_each_codes(const PackedFile& file, std::size_t index,
                    const std::function<void(std::span<const std::int64_t>)>& take) {
  read_tensor(file, index,
              [&](std::span<const std::int64_t> codes, const std::vector<bool>&) { take(codes); });
}

void for_each_params(const PackedFile& file, std::size_t index,
                     const std::function<void(std::span<const BlockParams>)>& take) {
  constexpr std::uint64_t kBlocksAtOnce = 4096;
  const PackedTensor& tensor = file.contents().tensors[index];
  const Scheme& scheme = *tensor.scheme;
  std::vector<CheckedStream> streams;
  for (const StoredPart& part : file.parts(index)) {
    if (part.part != PackedPart::kCodes) streams.push_back(file.open(part));
  }
  std::vector<BlockParams> params;
  std::vector<std::byte> bytes;
  for (std::uint64_t done = 0; done < tensor.blocks; done += params.size()) {
    params.assign(std::min(tensor.blocks - done, kBlocksAtOnce), {});
    std::size_t stream = 0;
    for (const PackedPart part : parameter_parts(scheme)) {
      bytes.resize(params.size() * parameters_per_block(part, scheme) *
                   element_size(parameter_type(part)));
      streams[stream++].read(bytes);
      params_from_bytes(part, scheme, bytes, params);
    }
    complete_params(scheme, tensor.info.name, done, params);
    take(params);
  }
}

CodeFacts code_facts(const PackedFile& file, std::size_t index) {
  CodeFacts facts;
  const auto add = [&](std::span<const std::int64_t> codes, const std::vector<bool>& signs) {
    for (const std::int64_t code : codes) {
      if (facts.first.size() < CodeFacts::kFirstCodes) facts.first.push_back(code);
      facts.sum += code;
    }
    facts.count += codes.size();
    facts.has_signed_blocks |= std::ranges::find(signs, true) != signs.end();
    facts.has_unsigned_blocks |= std::ranges::find(signs, false) != signs.end();
  };
  read_tensor(file, index, add);
  return facts;
}

DType code_dtype(int bits, const CodeFacts& facts) noexcept {
  if (!facts.has_signed_blocks) {
    return bits <= 8 ? DType::kUInt8 : bits <= 16 ? DType::kUInt16 : DType::kUInt32;
  }
  const int needed = facts.has_unsigned_blocks ? bits + 1 : bits;
  if (needed <= 8) return DType::kInt8;
  if (needed <= 16) return DType::kInt16;
  return needed <= 32 ? DType::kInt32 : DType::kInt64;
}

std::uint32_t codes_crc32c(const PackedFile& file, std::size_t index) {
  return file.checksum(file.parts(index).back());
}

}  // namespace narrow
