// Values are taken a step at a time: they, the same as doubles and what one scheme makes of them
// stay in the first cache while scheme after scheme restores and measures them. A chunk has its own
// lanes for every scheme (docs/numerics.md), but for the squares of the values, which they share.
#include "quant/piece_measure.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <type_traits>
#include <utility>

#include "quant/blocks/count_overflow.h"
#include "quant/elements/element_chunk.h"
#include "quant/error_sums.h"
#include "quant/kernels/kernel_table.h"

namespace narrow {
namespace {

constexpr std::size_t kMeasuredStep = kChunk / 2;

class PieceMeasure {
 public:
  PieceMeasure(DType dtype, std::vector<PieceBlocks> schemes)
      : dtype_(dtype), schemes_(std::move(schemes)), sums_(schemes_.size()) {
    for (const PieceBlocks& blocks : schemes_) {
      const auto groups = blocks.uniform_groups();
      const bool are_whole = groups && kMeasuredStep % groups->run == 0;
      groups_.push_back(are_whole && dtype != DType::kFloat64 ? groups : std::nullopt);
    }
  }

  std::vector<ErrorSums> run() {
    const std::uint64_t count = schemes_.front().count();
    for (std::uint64_t done = 0; done < count; done += kChunk) {
      measure_chunk(done, std::min<std::uint64_t>(kChunk, count - done));
    }
    return std::move(sums_);
  }

 private:
  void measure_chunk(std::uint64_t done, std::size_t length) {
    lanes_.assign(schemes_.size(), {});
    LaneSums shared;
    for (std::size_t step = 0; step < length; step += kMeasuredStep) {
      const std::size_t part = std::min(kMeasuredStep, length - step);
      load(done + step, part, &shared);
      for (std::size_t s = 0; s < schemes_.size(); ++s) measure_step(s, done + step, part);
    }
    for (std::size_t s = 0; s < schemes_.size(); ++s) {
      if (dtype_ != DType::kFloat64) lanes_[s].x2 = shared.x2;
      sums_[s].merge(combine_lanes(lanes_[s], length));
    }
  }

  void load(std::uint64_t begin, std::size_t length, LaneSums* shared) {
    const PieceBlocks& piece = schemes_.front();
    if (piece.is_aligned_float()) {
      values_ = reinterpret_cast<const float*>(piece.element(begin));
    } else {
      load_as_float(dtype_, piece.element(begin), length, loaded_.data());
      values_ = loaded_.data();
    }
    if (dtype_ == DType::kFloat64) {
      load_as_double(dtype_, piece.element(begin), length, wide_.data());
    } else {
      kernels().widen(values_, length, wide_.data(), shared);
    }
  }

  void measure_step(std::size_t scheme, std::uint64_t begin, std::size_t length) {
    const KernelTable& table = kernels();
    if (dtype_ == DType::kFloat64) {
      restore(scheme, begin, length, restored_.data());
      return table.add_errors(wide_.data(), restored_.data(), length, &lanes_[scheme]);
    }
    if (is_small_float(dtype_)) {
      restore(scheme, begin, length, restored_.data());
      store_small(dtype_, restored_.data(), length, stored_.data(), floats_.data());
    } else {
      restore(scheme, begin, length, floats_.data());
    }
    table.add_wide_errors(wide_.data(), floats_.data(), length, &lanes_[scheme]);
  }

  // As doubles before they are rounded to a type, or as float32.
  template <typename T>
  void restore(std::size_t scheme, std::uint64_t begin, std::size_t length, T* restored) {
    const auto& groups = groups_[scheme];
    if (groups && length % groups->run == 0 && restore_groups(*groups, length, restored)) return;
    schemes_[scheme].for_each_part(
        begin, length,
        [&](std::size_t offset, std::size_t part, const auto& constants, const auto& rule_kernels) {
          sums_[scheme].overflowed += count_overflow(constants, values_ + offset, part);
          if constexpr (std::is_same_v<T, double>) {
            rule_kernels.restore(constants, values_ + offset, part, restored + offset, nullptr);
          } else {
            rule_kernels.restore_float(constants, values_ + offset, part, restored + offset);
          }
        });
  }
  bool restore_groups(const UniformGroups& groups, std::size_t length, double* restored) const {
    return kernels().restore_groups(groups, values_, length, restored);
  }
  bool restore_groups(const UniformGroups& groups, std::size_t length, float* restored) const {
    return kernels().restore_groups_float(groups, values_, length, restored);
  }

  DType dtype_;
  std::vector<PieceBlocks> schemes_;
  std::vector<std::optional<UniformGroups>> groups_;
  std::vector<ErrorSums> sums_;
  std::vector<LaneSums> lanes_;
  const float* values_ = nullptr;  // of the step, as float32
  alignas(64) std::array<float, kMeasuredStep> loaded_;
  alignas(64) std::array<double, kMeasuredStep> wide_;  // exactly
  alignas(64) std::array<float, kMeasuredStep> floats_;
  alignas(64) std::array<double, kMeasuredStep> restored_;
  std::array<std::byte, kMeasuredStep * sizeof(std::uint16_t)> stored_;
};

}  // namespace

std::vector<ErrorSums> measure_piece(DType dtype, std::vector<PieceBlocks> schemes) {
  return PieceMeasure(dtype, std::move(schemes)).run();
}

}  // namespace narrow
