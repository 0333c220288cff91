// The blocks of one piece of a tensor in the second pass, when its values are there.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "narrow/error.h"
#include "quant/blocks/block_fit.h"
#include "quant/blocks/block_layout.h"
#include "quant/blocks/local_block.h"
#include "quant/blocks/range_scan.h"
#include "quant/blocks/stored_blocks.h"

namespace narrow {

inline BlockParams fit_keys(const KeyRange& range, const Scheme& scheme) {
  return fit_checked_range(value_of_key(range.min), value_of_key(range.max), scheme);
}

// What a tensor's first pass found: the parameters of all blocks or none, else their ranges, of
// local blocks perhaps not all.
struct FoundBlocks {
  std::span<const BlockParams> params;
  std::span<const KeyRange> ranges;
};

// The blocks of one piece in the second pass. Local blocks whose parameters are not known are
// fitted when their first value comes, and none of it has been replaced yet.
class PieceBlocks {
 public:
  // `params` unless null gets the parameters of the local blocks.
  PieceBlocks(const Scheme& scheme, DType dtype, const BlockLayout& layout,
              const StoredBlocks& stored, const FoundBlocks& found, std::uint64_t first,
              std::span<const std::byte> elements, std::vector<BlockParams>* params)
      : scheme_(scheme),
        dtype_(dtype),
        layout_(layout),
        stored_(stored),
        found_(found),
        first_(first),
        elements_(elements.data()),
        count_(elements.size() / element_size(dtype)),
        params_(params) {}

  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] const std::byte* element(std::uint64_t index) const {
    return elements_ + index * element_size(dtype_);
  }

  // Whether blocks begin where lane 0 does and elements can be read as float32 where they are.
  [[nodiscard]] bool lanes_meet_blocks() const {
    if (!is_aligned_float()) return false;
    return layout_.kind == BlockLayout::Kind::kRows || layout_.run % kLanes == 0 ||
           first_ % layout_.run + count_ <= layout_.run;
  }
  [[nodiscard]] bool is_aligned_float() const {
    return dtype_ == DType::kFloat32 &&
           reinterpret_cast<std::uintptr_t>(elements_) % alignof(float) == 0;
  }

  // For kernels that fit groups themselves, where every chunk but the last has whole ones.
  [[nodiscard]] std::optional<UniformGroups> uniform_groups() const {
    const bool is_symmetric = scheme_.kind == SchemeKind::kSymmetric;
    if (!is_symmetric && scheme_.kind != SchemeKind::kAffine) return std::nullopt;
    const bool fits_chunks = layout_.run % kLanes == 0 && kChunk % layout_.run == 0;
    if (layout_.kind != BlockLayout::Kind::kLocal || !fits_chunks || !found_.params.empty() ||
        scheme_.bits > UniformGroups::kMaxBits) {
      return std::nullopt;
    }
    const int magnitude_bits = scheme_.bits - (is_symmetric ? 1 : 0);
    return UniformGroups{is_symmetric, static_cast<double>((std::int64_t{1} << magnitude_bits) - 1),
                         layout_.run};
  }

  // StoredBlocks::for_each_part for [done, done + length) of the piece.
  template <typename Body>
  void for_each_part(std::uint64_t done, std::size_t length, const Body& body) {
    const bool are_many = layout_.kind == BlockLayout::Kind::kMany;
    const auto local = [&](std::uint64_t position) -> const BlockConstants& {
      if (are_many && (position == first_ || position % layout_.run == 0)) {
        local_.fitted(scheme_, found_params(layout_.block_of(position)), layout_.run);
      } else if (position % layout_.run == 0) {
        begin_local(position);
      }
      return local_.constants();
    };
    stored_.for_each_part(layout_, rule_of(scheme_), first_ + done, length, local, body);
  }

 private:
  [[nodiscard]] BlockParams found_params(std::uint64_t block) const {
    return found_.params.empty() ? fit_keys(found_.ranges[block], scheme_) : found_.params[block];
  }

  void begin_local(std::uint64_t position) {
    const BlockParams params =
        found_.params.empty() ? fit_local(position) : found_params(layout_.block_of(position));
    local_.fitted(scheme_, params, layout_.run);
    if (params_ != nullptr) params_->push_back(params);
  }

  [[nodiscard]] BlockParams fit_local(std::uint64_t position) const {
    const std::uint64_t begin = position - first_;
    const KeyRange range = range_of(dtype_, element(begin), std::min(layout_.run, count_ - begin));
    if (!all_finite(range)) {
      throw Error(ErrorCategory::kNumeric, "a block that begins at element " +
                                               std::to_string(position) +
                                               " holds NaN or infinity: it cannot be quantized");
    }
    return fit_keys(range, scheme_);
  }

  const Scheme& scheme_;
  DType dtype_;
  const BlockLayout& layout_;
  const StoredBlocks& stored_;
  FoundBlocks found_;
  std::uint64_t first_;
  const std::byte* elements_;
  std::uint64_t count_;
  std::vector<BlockParams>* params_;
  LocalBlock local_;
};

}  // namespace narrow
