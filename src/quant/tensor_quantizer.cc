#include "quant/tensor_quantizer.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "narrow/error.h"
#include "quant/blocks/block_fit.h"
#include "quant/blocks/block_layout.h"
#include "quant/blocks/range_scan.h"
#include "quant/blocks/row_tables.h"
#include "quant/code_counts.h"
#include "quant/elements/element_chunk.h"
#include "quant/error_sums.h"

namespace narrow {
namespace {

const Scheme& checked(const Scheme& scheme, const TensorInfo& info) {
  validate(scheme);
  require_own_range(scheme);
  if (!is_floating_point(info.dtype)) {
    throw Error(ErrorCategory::kUsage, "tensor " + info.name + " holds " +
                                           std::string(to_string(info.dtype)) +
                                           " elements: only floating-point tensors are quantized");
  }
  return scheme;
}

BlockParams fit_keys(const KeyRange& range, const Scheme& scheme) {
  return fit_checked_range(value_of_key(range.min), value_of_key(range.max), scheme);
}

// For the values that the range was taken from.
BlockConstants fitted_constants(const KeyRange& range, const Scheme& scheme) {
  BlockConstants constants = block_constants(scheme, fit_keys(range, scheme));
  constants.fitted = true;
  return constants;
}

}  // namespace

struct TensorQuantizer::State {
  State(const Scheme& scheme_in, const TensorInfo& info, int default_axis)
      : scheme(checked(scheme_in, info)),
        name(info.name),
        dtype(info.dtype),
        layout(block_layout(scheme.granularity, info, default_axis)),
        ranges(scheme, dtype, layout) {}

  void finish_scan();
  void fit_blocks();
  void require_piece(std::uint64_t first, std::uint64_t bytes) const;

  Scheme scheme;
  std::string name;
  DType dtype;
  BlockLayout layout;
  RangeScan ranges;
  std::vector<BlockConstants> blocks;  // of layouts with stored runs
  RowTables rows;
  bool ready = false;
};

void TensorQuantizer::State::finish_scan() {
  ranges.finish();
  if (ranges.non_finite().count > 0) return;
  ready = true;
  fit_blocks();
}

void TensorQuantizer::State::fit_blocks() {
  blocks.clear();
  rows = {};
  if (layout.kind == BlockLayout::Kind::kLocal) return;
  blocks.reserve(ranges.ranges().size());
  for (const KeyRange& range : ranges.ranges()) {
    blocks.push_back(fitted_constants(range, scheme));
  }
  if (layout.kind == BlockLayout::Kind::kRows) {
    rows = RowTables(layout, rule_of(scheme), blocks);
    blocks = {};
  }
}

void TensorQuantizer::State::require_piece(std::uint64_t first, std::uint64_t bytes) const {
  if (!ready) {
    throw Error(
        ErrorCategory::kNumeric,
        "tensor " + name + " cannot be quantized: it was not scanned, or holds NaN or infinity");
  }
  const std::uint64_t piece = layout.piece_elements();
  const bool begins_right = first % piece == 0 && first <= layout.elements;
  const std::uint64_t expected = begins_right ? std::min(piece, layout.elements - first) : 0;
  if (!begins_right || bytes != expected * element_size(dtype)) {
    throw Error(ErrorCategory::kUsage, "tensor " + name + ": a piece of " + std::to_string(bytes) +
                                           " bytes at element " + std::to_string(first) +
                                           " is not one of the pieces of " + std::to_string(piece) +
                                           " elements");
  }
}

namespace {

// The second pass over one piece. Restored values go to `target`: the elements themselves, or null
// when only the errors are wanted; then they go to a buffer in the first cache.
class PieceRoundTrip {
 public:
  PieceRoundTrip(const Scheme& scheme, DType dtype, const BlockLayout& layout,
                 const std::vector<BlockConstants>& blocks, const RowTables& rows,
                 std::uint64_t first, std::span<const std::byte> elements, std::byte* target)
      : scheme_(scheme),
        dtype_(dtype),
        layout_(layout),
        blocks_(blocks),
        rows_(rows),
        rule_(static_cast<std::size_t>(rule_of(scheme))),
        first_(first),
        elements_(elements.data()),
        target_(target),
        count_(elements.size() / element_size(dtype)) {}

  // `counter` may be null.
  ErrorSums run(CodeCounter* counter) {
    ErrorSums sums;
    const bool in_place = lanes_meet_blocks();
    for (std::uint64_t done = 0; done < count_; done += kChunk) {
      const std::size_t length = std::min<std::uint64_t>(kChunk, count_ - done);
      LaneSums lanes;
      CodeIndex* const indices = counter == nullptr ? nullptr : counter->indices();
      if (in_place) {
        round_trip_in_place(done, length, &lanes, indices);
      } else {
        round_trip_copied(done, length, &lanes, indices);
      }
      if (counter != nullptr) counter->add_chunk(length);
      sums.merge(combine_lanes(lanes, length));
    }
    return sums;
  }

 private:
  // The kernel that does everything at once needs float32 in place and blocks that begin where
  // lane 0 does.
  [[nodiscard]] bool lanes_meet_blocks() const {
    if (dtype_ != DType::kFloat32) return false;
    if (reinterpret_cast<std::uintptr_t>(elements_) % alignof(float) != 0) return false;
    return layout_.kind == BlockLayout::Kind::kRows || layout_.run % kLanes == 0 ||
           first_ % layout_.run + count_ <= layout_.run;
  }

  [[nodiscard]] const std::byte* element(std::uint64_t index) const {
    return elements_ + index * element_size(dtype_);
  }

  // Where the restored values of a chunk that begins at `done` go.
  [[nodiscard]] std::byte* place(std::uint64_t done) {
    return target_ == nullptr ? scratch_.data() : target_ + done * element_size(dtype_);
  }

  // Calls body(offset, length, constants, kernels) for the parts of [done, done + length) that
  // share a table of constants.
  template <typename Body>
  void for_each_part(std::uint64_t done, std::size_t length, const Body& body) {
    for (std::size_t offset = 0; offset < length;) {
      const std::uint64_t position = first_ + done + offset;
      const bool is_rows = layout_.kind == BlockLayout::Kind::kRows;
      const std::uint64_t run =
          is_rows ? rows_.run_from(position) : layout_.run - position % layout_.run;
      const std::size_t part = std::min<std::uint64_t>(run, length - offset);
      if (is_rows) {
        body(offset, part, rows_.at(position), table_.rows[rule_]);
      } else {
        body(offset, part, constants_at(position), table_.block[rule_]);
      }
      offset += part;
    }
  }

  const BlockConstants& constants_at(std::uint64_t position) {
    if (layout_.kind == BlockLayout::Kind::kRuns) return blocks_[layout_.block_of(position)];
    // A local block is fitted when its first value comes; none of it has been replaced yet.
    if (position % layout_.run == 0) {
      const std::uint64_t begin = position - first_;
      const KeyRange range =
          range_of(dtype_, element(begin), std::min(layout_.run, count_ - begin));
      if (!all_finite(range)) {
        throw Error(ErrorCategory::kNumeric, "a block that begins at element " +
                                                 std::to_string(position) +
                                                 " holds NaN or infinity: it cannot be quantized");
      }
      local_ = fitted_constants(range, scheme_);
    }
    return local_;
  }

  void round_trip_in_place(std::uint64_t done, std::size_t length, LaneSums* lanes,
                           CodeIndex* indices) {
    std::byte* const to = place(done);
    if (target_ == nullptr) std::copy_n(element(done), length * sizeof(float), to);
    auto* const values = reinterpret_cast<float*>(to);
    for_each_part(
        done, length,
        [&](std::size_t offset, std::size_t part, const auto& constants, const auto& rule_kernels) {
          rule_kernels.round_trip(constants, values + offset, part, lanes,
                                  indices == nullptr ? nullptr : indices + offset);
        });
  }

  void round_trip_copied(std::uint64_t done, std::size_t length, LaneSums* lanes,
                         CodeIndex* indices) {
    load_as_float(dtype_, element(done), length, values_.data());
    load_as_double(dtype_, element(done), length, originals_.data());
    for_each_part(
        done, length,
        [&](std::size_t offset, std::size_t part, const auto& constants, const auto& rule_kernels) {
          rule_kernels.restore(constants, values_.data() + offset, part, restored_.data() + offset,
                               indices == nullptr ? nullptr : indices + offset);
        });
    store_rounded(dtype_, restored_.data(), length, place(done));
    table_.add_errors(originals_.data(), restored_.data(), length, lanes);
  }

  const Scheme& scheme_;
  DType dtype_;
  const BlockLayout& layout_;
  const std::vector<BlockConstants>& blocks_;
  const RowTables& rows_;
  std::size_t rule_;
  std::uint64_t first_;
  const std::byte* elements_;
  std::byte* target_;
  std::uint64_t count_;
  const KernelTable& table_ = kernels();
  BlockConstants local_;
  std::array<float, kChunk> values_;
  std::array<double, kChunk> originals_;
  std::array<double, kChunk> restored_;
  alignas(64) std::array<std::byte, kChunk * sizeof(double)> scratch_;
};

}  // namespace

TensorQuantizer::TensorQuantizer(const Scheme& scheme, const TensorInfo& info, int default_axis)
    : state_(std::make_unique<State>(scheme, info, default_axis)) {}

TensorQuantizer::TensorQuantizer(const State& state) : state_(std::make_unique<State>(state)) {}

TensorQuantizer::~TensorQuantizer() = default;
TensorQuantizer::TensorQuantizer(TensorQuantizer&&) noexcept = default;
TensorQuantizer& TensorQuantizer::operator=(TensorQuantizer&&) noexcept = default;

void TensorQuantizer::scan(std::span<const std::byte> values) { state_->ranges.scan(values); }

void TensorQuantizer::finish_scan() { state_->finish_scan(); }

const NonFinite& TensorQuantizer::non_finite() const { return state_->ranges.non_finite(); }

std::uint64_t TensorQuantizer::piece_elements() const { return state_->layout.piece_elements(); }

bool TensorQuantizer::share_scan(const Scheme& a, const Scheme& b) {
  // A scan for decimal scaling counts the blocks that its width clips.
  const auto counts_clips = [](const Scheme& scheme) {
    return scheme.kind == SchemeKind::kFixedPoint && scheme.scaling == Scaling::kDecimal;
  };
  return a == b || (a.granularity == b.granularity && !counts_clips(a) && !counts_clips(b));
}

TensorQuantizer TensorQuantizer::with_scheme(const Scheme& scheme) const {
  validate(scheme);
  require_own_range(scheme);
  if (!share_scan(state_->scheme, scheme)) {
    throw Error(ErrorCategory::kUsage,
                "tensor " + state_->name + " was scanned for a scheme with other blocks");
  }
  TensorQuantizer other(*state_);
  other.state_->scheme = scheme;
  if (other.state_->ready) other.state_->fit_blocks();
  return other;
}

ErrorSums TensorQuantizer::round_trip(std::uint64_t first, std::span<std::byte> values,
                                      CodeCounts* codes) const {
  const State& state = *state_;
  state.require_piece(first, values.size());
  CodeCounter counter(state.scheme.bits, codes);
  PieceRoundTrip round_trip(state.scheme, state.dtype, state.layout, state.blocks, state.rows,
                            first, values, values.data());
  const ErrorSums sums = round_trip.run(&counter);
  counter.finish();
  return sums;
}

ErrorSums TensorQuantizer::measure(std::uint64_t first, std::span<const std::byte> values) const {
  const State& state = *state_;
  state.require_piece(first, values.size());
  return PieceRoundTrip(state.scheme, state.dtype, state.layout, state.blocks, state.rows, first,
                        values, nullptr)
      .run(nullptr);
}

std::uint64_t TensorQuantizer::block_count() const { return state_->layout.blocks; }

std::vector<BlockParams> TensorQuantizer::block_params(std::uint64_t limit) const {
  std::vector<BlockParams> params;
  if (!state_->ready) return params;
  const auto& ranges = state_->ranges.ranges();
  const std::size_t count = std::min<std::uint64_t>(limit, ranges.size());
  for (std::size_t i = 0; i < count; ++i) params.push_back(fit_keys(ranges[i], state_->scheme));
  return params;
}

std::uint64_t TensorQuantizer::clipped_blocks() const { return state_->ranges.clipped_blocks(); }

}  // namespace narrow
