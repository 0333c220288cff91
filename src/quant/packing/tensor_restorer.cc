#include "quant/packing/tensor_restorer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "narrow/error.h"
#include "quant/blocks/block_fit.h"
#include "quant/blocks/local_block.h"
#include "quant/elements/element_chunk.h"
#include "quant/packing/pack_bits.h"

namespace narrow {

TensorRestorer::TensorRestorer(const Scheme& scheme, const TensorInfo& info, int default_axis)
    : scheme_(scheme), name_(info.name), dtype_(info.dtype) {
  validate(scheme);
  if (!is_floating_point(info.dtype)) {
    throw Error(ErrorCategory::kUsage, fmt::format("tensor {} holds {} elements: only "
                                                   "floating-point tensors have codes",
                                                   info.name, info.type_name()));
  }
  layout_ = block_layout(scheme.granularity, info, default_axis);
}

std::uint64_t TensorRestorer::most_at_once() const {
  constexpr std::uint64_t kFew = 16384;
  return layout_.kind == BlockLayout::Kind::kMany ? kFew : layout_.blocks;
}

void TensorRestorer::store_blocks(std::span<const BlockParams> params) {
  if (layout_.kind == BlockLayout::Kind::kMany) {
    // Not before there are parameters, which is to say before sizes were compared with the file's.
    if (stored_count_ == 0) many_ = CompactParams(scheme_, layout_.blocks);
    many_.set(stored_count_, params);
  } else {
    store_constants(params);
  }
  stored_count_ += params.size();
}

void TensorRestorer::store_constants(std::span<const BlockParams> params) {
  if (scheme_.kind == SchemeKind::kCodebook) {
    blocks_ = StoredBlocks(layout_, scheme_.bits, params);
    return;
  }
  std::vector<BlockConstants> constants;
  constants.reserve(params.size());
  for (const BlockParams& block : params) {
    constants.push_back(block_constants(scheme_, block));
  }
  blocks_ = StoredBlocks(layout_, rule_of(scheme_), std::move(constants));
}

void TensorRestorer::require_piece(std::uint64_t first, std::size_t packed_bytes,
                                   std::size_t params, std::size_t value_bytes) const {
  const std::uint64_t piece = piece_elements();
  const bool begins_right = first % piece == 0 && first <= layout_.elements;
  const std::uint64_t count = begins_right ? std::min(piece, layout_.elements - first) : 0;
  const auto bits = static_cast<std::uint64_t>(scheme_.bits);
  const BlockLayout::Blocks blocks = layout_.blocks_with_piece(first);
  const bool has_params =
      stores_blocks() ? stored_count_ >= blocks.first + blocks.count : params == blocks.count;
  if (begins_right && has_params && value_bytes == count * element_size(dtype_) &&
      packed_bytes == (first * bits % 8 + count * bits + 7) / 8) {
    return;
  }
  throw Error(ErrorCategory::kUsage,
              fmt::format("tensor {}: {} bytes of codes and {} parameters do not give the {} bytes "
                          "of a piece that begins at element {}",
                          name_, packed_bytes, params, value_bytes, first));
}

void TensorRestorer::restore(std::uint64_t first, std::span<const std::byte> packed,
                             std::span<const BlockParams> params,
                             std::span<std::byte> values) const {
  require_piece(first, packed.size(), params.size(), values.size());
  const std::size_t size = element_size(dtype_);
  const auto bits = static_cast<std::uint64_t>(scheme_.bits);
  const bool in_place = dtype_ == DType::kFloat32 &&
                        reinterpret_cast<std::uintptr_t>(values.data()) % alignof(float) == 0;
  std::array<std::uint32_t, kChunk> codes;
  std::array<double, kChunk> restored;
  LocalBlock local;
  const bool are_many = layout_.kind == BlockLayout::Kind::kMany;
  const auto local_block = [&](std::uint64_t position) -> const BlockConstants& {
    if (are_many && (position == first || position % layout_.run == 0)) {
      local.of(scheme_, many_.at(layout_.block_of(position)));
    } else if (position % layout_.run == 0) {
      local.of(scheme_, params[(position - first) / layout_.run]);
    }
    return local.constants();
  };
  const std::uint64_t count = values.size() / size;
  for (std::uint64_t done = 0; done < count; done += kChunk) {
    const std::size_t length = std::min<std::uint64_t>(kChunk, count - done);
    std::byte* const to = values.data() + done * size;
    unpack_bits(packed.subspan(done / 8 * bits), scheme_.bits,
                static_cast<unsigned>(first * bits % 8), std::span(codes).first(length));
    blocks_.for_each_part(
        layout_, rule_of(scheme_), first + done, length, local_block,
        [&](std::size_t offset, std::size_t part, const auto& constants, const auto& kernels) {
          if (in_place) {
            kernels.decode_float(constants, codes.data() + offset, part,
                                 reinterpret_cast<float*>(to) + offset);
          } else {
            kernels.decode(constants, codes.data() + offset, part, restored.data() + offset);
          }
        });
    if (!in_place) store_rounded(dtype_, restored.data(), length, to);
  }
}

}  // namespace narrow
