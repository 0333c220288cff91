// First pass: RangeScan takes every element; schemes that need all values of a block collect them
// in BlockValues too. finish_scan() fits parameters: from ranges, or from sorted values on several
// threads; then, unless blocks are local or very many, StoredBlocks gets the constants that kernels
// need. with_scheme() repeats only the fit.
// Second pass, piece by piece on any thread: PieceBlocks hands out the constants of the blocks of a
// piece (it fits local ones on the way). A piece is done in chunks of kChunk values: the kernel of
// the scheme restores and measures float32 in place where lanes meet blocks; otherwise values are
// copied, restored in double, rounded to the tensor's type, and measured after that. Short groups
// of affine and symmetric codes are fitted and restored a whole chunk at once. encode() gets
// integer codes from the same blocks and packs them. Lane sums are added up in the order that
// docs/numerics.md defines.
#include "quant/tensor_quantizer.h"

#include <algorithm>
#include <array>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <utility>

#include "base/parallel.h"
#include "narrow/error.h"
#include "quant/blocks/block_fit.h"
#include "quant/blocks/block_layout.h"
#include "quant/blocks/count_overflow.h"
#include "quant/blocks/piece_blocks.h"
#include "quant/blocks/range_scan.h"
#include "quant/blocks/stored_blocks.h"
#include "quant/code_counts.h"
#include "quant/elements/element_chunk.h"
#include "quant/error_sums.h"
#include "quant/fitting/block_values.h"
#include "quant/fitting/value_fit.h"
#include "quant/packing/pack_bits.h"
#include "quant/piece_measure.h"

namespace narrow {
namespace {

const Scheme& checked(const Scheme& scheme, const TensorInfo& info) {
  validate(scheme);
  if (!is_floating_point(info.dtype)) {
    throw Error(ErrorCategory::kUsage, "tensor " + info.name + " holds " +
                                           std::string(info.type_name()) +
                                           " elements: only floating-point tensors are quantized");
  }
  return scheme;
}

}  // namespace

struct TensorQuantizer::State {
  State(const Scheme& scheme_in, const TensorInfo& info, int default_axis)
      : scheme(checked(scheme_in, info)),
        name(info.name),
        dtype(info.dtype),
        layout(block_layout(scheme.granularity, info, default_axis)),
        ranges(scheme, dtype, layout),
        values(fit_needs_values(scheme) ? std::make_shared<BlockValues>(dtype, layout) : nullptr) {}

  void finish_scan();
  void fit_blocks();
  void fit_values();
  void require_piece(std::uint64_t first, std::uint64_t bytes) const;
  // As many as are known of these: see block_params.
  [[nodiscard]] std::vector<BlockParams> known_params(const BlockLayout::Blocks& which) const;
  // `params`: see PieceBlocks.
  [[nodiscard]] PieceBlocks piece(std::uint64_t first, std::span<const std::byte> elements,
                                  std::vector<BlockParams>* params) const {
    require_piece(first, elements.size());
    return {scheme, dtype, layout, blocks, {fits, ranges.ranges()}, first, elements, params};
  }

  Scheme scheme;
  std::string name;
  DType dtype;
  BlockLayout layout;
  RangeScan ranges;
  std::shared_ptr<BlockValues> values;  // where fitting needs them
  std::vector<BlockParams> fits;        // of every block then
  std::uint64_t clipped_blocks = 0;
  std::uint64_t clipped_values = 0;
  StoredBlocks blocks;
  bool ready = false;
};

void TensorQuantizer::State::finish_scan() {
  ranges.finish();
  if (ranges.non_finite().count > 0) return;
  ready = true;
  if (values != nullptr) values->sort();
  fit_blocks();
}

void TensorQuantizer::State::fit_blocks() {
  clipped_blocks = ranges.clipped_blocks();
  if (values != nullptr) fit_values();
  if (layout.kind == BlockLayout::Kind::kLocal || layout.kind == BlockLayout::Kind::kMany) return;
  if (scheme.kind == SchemeKind::kCodebook) {
    blocks = StoredBlocks(layout, scheme.bits, fits);
    return;
  }
  std::vector<BlockConstants> constants;
  LocalBlock block;
  for (std::uint64_t i = 0; i < layout.blocks; ++i) {
    const BlockParams params = fits.empty() ? fit_keys(ranges.ranges()[i], scheme) : fits[i];
    constants.push_back(block.fitted(scheme, params, layout.run));
  }
  blocks = StoredBlocks(layout, rule_of(scheme), std::move(constants));
}

void TensorQuantizer::State::fit_values() {
  fits.resize(layout.blocks);
  std::vector<std::uint64_t> clipped(layout.blocks);
  parallel_for(layout.blocks, [&](std::size_t i) {
    ValueFit fit = fit_ascending(values->ascending(i), scheme);
    fits[i] = std::move(fit.params);
    clipped[i] = fit.clipped;
  });
  clipped_values = std::accumulate(clipped.begin(), clipped.end(), std::uint64_t{0});
  clipped_blocks = static_cast<std::uint64_t>(std::ranges::count_if(fits, &BlockParams::clips));
}

std::vector<BlockParams> TensorQuantizer::State::known_params(
    const BlockLayout::Blocks& which) const {
  std::vector<BlockParams> params;
  const std::uint64_t known = fits.empty() ? ranges.ranges().size() : fits.size();
  const std::uint64_t end = which.first + std::min(which.count, known - which.first);
  params.reserve(end - which.first);
  for (std::uint64_t i = which.first; i < end; ++i) {
    params.push_back(fits.empty() ? fit_keys(ranges.ranges()[i], scheme) : fits[i]);
  }
  return params;
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

// Restores one piece: `elements`, to which the blocks belong.
class PieceRoundTrip {
 public:
  PieceRoundTrip(PieceBlocks blocks, DType dtype, std::byte* elements)
      : blocks_(std::move(blocks)), dtype_(dtype), elements_(elements) {}

  // `counter` may be null.
  ErrorSums run(CodeCounter* counter) {
    ErrorSums sums;
    CodeIndex* const indices = counter == nullptr ? nullptr : counter->indices();
    const auto groups = indices == nullptr ? blocks_.uniform_groups() : std::nullopt;
    for (std::uint64_t done = 0; done < blocks_.count(); done += kChunk) {
      const std::size_t length = std::min<std::uint64_t>(kChunk, blocks_.count() - done);
      LaneSums lanes;
      if (!groups || length % groups->run != 0 ||
          !round_trip_groups(*groups, done, length, &lanes)) {
        round_trip_chunk(done, length, &lanes, indices);
      }
      if (counter != nullptr) counter->add_chunk(length);
      sums.merge(combine_lanes(lanes, length));
    }
    sums.overflowed = overflowed_;
    return sums;
  }

 private:
  // The chunk that begins at `done`.
  [[nodiscard]] std::byte* place(std::uint64_t done) {
    return elements_ + done * element_size(dtype_);
  }
  [[nodiscard]] float* floats(std::uint64_t done) { return reinterpret_cast<float*>(place(done)); }

  void round_trip_chunk(std::uint64_t done, std::size_t length, LaneSums* lanes,
                        CodeIndex* indices) {
    if (blocks_.lanes_meet_blocks()) return round_trip_in_place(done, length, lanes, indices);
    round_trip_copied(done, length, lanes, indices);
  }

  // False when a value is not finite.
  bool round_trip_groups(const UniformGroups& groups, std::uint64_t done, std::size_t length,
                         LaneSums* lanes) {
    if (blocks_.is_aligned_float()) {
      return kernels().round_trip_groups(groups, floats(done), length, lanes);
    }
    load_as_float(dtype_, blocks_.element(done), length, values_.data());
    if (!kernels().restore_groups(groups, values_.data(), length, restored_.data())) return false;
    store_and_measure(done, length, lanes);
    return true;
  }

  // The kernel that does everything at once.
  void round_trip_in_place(std::uint64_t done, std::size_t length, LaneSums* lanes,
                           CodeIndex* indices) {
    float* const values = floats(done);
    blocks_.for_each_part(
        done, length,
        [&](std::size_t offset, std::size_t part, const auto& constants, const auto& rule_kernels) {
          overflowed_ += count_overflow(constants, values + offset, part);
          rule_kernels.round_trip(constants, values + offset, part, lanes,
                                  indices == nullptr ? nullptr : indices + offset);
        });
  }

  void round_trip_copied(std::uint64_t done, std::size_t length, LaneSums* lanes,
                         CodeIndex* indices) {
    load_as_float(dtype_, blocks_.element(done), length, values_.data());
    blocks_.for_each_part(
        done, length,
        [&](std::size_t offset, std::size_t part, const auto& constants, const auto& rule_kernels) {
          overflowed_ += count_overflow(constants, values_.data() + offset, part);
          rule_kernels.restore(constants, values_.data() + offset, part, restored_.data() + offset,
                               indices == nullptr ? nullptr : indices + offset);
        });
    store_and_measure(done, length, lanes);
  }

  // From values_ and restored_.
  void store_and_measure(std::uint64_t done, std::size_t length, LaneSums* lanes) {
    if (is_small_float(dtype_)) {
      store_small(dtype_, restored_.data(), length, place(done), stored_.data());
      return kernels().add_float_errors(values_.data(), stored_.data(), length, lanes);
    }
    load_as_double(dtype_, blocks_.element(done), length, originals_.data());
    store_rounded(dtype_, restored_.data(), length, place(done));
    kernels().add_errors(originals_.data(), restored_.data(), length, lanes);
  }

  PieceBlocks blocks_;
  DType dtype_;
  std::byte* elements_;
  std::uint64_t overflowed_ = 0;
  std::array<float, kChunk> values_;
  std::array<float, kChunk> stored_;
  std::array<double, kChunk> originals_;
  std::array<double, kChunk> restored_;
};

}  // namespace

TensorQuantizer::TensorQuantizer(const Scheme& scheme, const TensorInfo& info, int default_axis)
    : state_(std::make_unique<State>(scheme, info, default_axis)) {}

TensorQuantizer::TensorQuantizer(const State& state) : state_(std::make_unique<State>(state)) {}

TensorQuantizer::~TensorQuantizer() = default;
TensorQuantizer::TensorQuantizer(TensorQuantizer&&) noexcept = default;
TensorQuantizer& TensorQuantizer::operator=(TensorQuantizer&&) noexcept = default;

void TensorQuantizer::scan(std::span<const std::byte> values) {
  state_->ranges.scan(values);
  if (state_->values != nullptr) state_->values->add(values);
}

void TensorQuantizer::finish_scan() { state_->finish_scan(); }

const NonFinite& TensorQuantizer::non_finite() const { return state_->ranges.non_finite(); }

std::pair<float, float> TensorQuantizer::value_range() const {
  if (state_->layout.elements == 0) return {0.0F, 0.0F};
  const KeyRange& range = state_->ranges.whole();
  return {value_of_key(range.min), value_of_key(range.max)};
}

std::uint64_t TensorQuantizer::piece_elements() const { return state_->layout.piece_elements(); }

void TensorQuantizer::release_values() { state_->values.reset(); }

bool TensorQuantizer::share_scan(const Scheme& a, const Scheme& b) {
  if (a.granularity != b.granularity) return false;
  if (fit_needs_values(a) || fit_needs_values(b)) return fit_needs_values(a) && fit_needs_values(b);
  // A scan for decimal scaling counts the blocks that its width clips.
  const auto counts_clips = [](const Scheme& scheme) {
    return scheme.kind == SchemeKind::kFixedPoint && scheme.scaling == Scaling::kDecimal;
  };
  return a == b || (!counts_clips(a) && !counts_clips(b));
}

TensorQuantizer TensorQuantizer::with_scheme(const Scheme& scheme) const {
  validate(scheme);
  if (!share_scan(state_->scheme, scheme)) {
    throw Error(ErrorCategory::kUsage,
                "tensor " + state_->name + " was scanned for a scheme with other blocks");
  }
  if (fit_needs_values(scheme) && state_->values == nullptr) {
    throw Error(ErrorCategory::kUsage, "the values of tensor " + state_->name + " were released");
  }
  TensorQuantizer other(*state_);
  other.state_->scheme = scheme;
  if (other.state_->ready) other.state_->fit_blocks();
  return other;
}

ErrorSums TensorQuantizer::round_trip(std::uint64_t first, std::span<std::byte> values,
                                      CodeCounts* codes) const {
  const State& state = *state_;
  CodeCounter counter(state.scheme.bits, codes);
  const ErrorSums sums =
      PieceRoundTrip(state.piece(first, values, nullptr), state.dtype, values.data()).run(&counter);
  counter.finish();
  return sums;
}

std::vector<ErrorSums> TensorQuantizer::measure_each(std::span<const TensorQuantizer> quantizers,
                                                     std::uint64_t first,
                                                     std::span<const std::byte> values) {
  std::vector<PieceBlocks> schemes;
  schemes.reserve(quantizers.size());
  for (const TensorQuantizer& quantizer : quantizers) {
    schemes.push_back(quantizer.state_->piece(first, values, nullptr));
  }
  if (schemes.empty()) return {};
  return measure_piece(quantizers.front().state_->dtype, std::move(schemes));
}

ErrorSums TensorQuantizer::measure(std::uint64_t first, std::span<const std::byte> values) const {
  return measure_each({this, 1}, first, values).front();
}

std::uint64_t TensorQuantizer::encode(std::uint64_t first, std::span<const std::byte> values,
                                      std::vector<std::byte>* packed,
                                      std::vector<BlockParams>* params) const {
  const State& state = *state_;
  const bool is_local = state.layout.kind == BlockLayout::Kind::kLocal;
  PieceBlocks blocks = state.piece(first, values, is_local ? params : nullptr);
  params->clear();
  if (!is_local) *params = state.known_params(state.layout.blocks_with_piece(first));
  const auto bits = static_cast<unsigned>(state.scheme.bits);
  const auto first_bit = static_cast<unsigned>(first % 8 * bits % 8);
  packed->assign((first_bit + blocks.count() * bits + 7) / 8, std::byte{0});
  std::array<float, kChunk> buffer;
  std::array<std::uint32_t, kChunk> codes;
  std::uint64_t overflowed = 0;
  for (std::uint64_t done = 0; done < blocks.count(); done += kChunk) {
    const std::size_t length = std::min<std::uint64_t>(kChunk, blocks.count() - done);
    const auto* chunk = reinterpret_cast<const float*>(blocks.element(done));
    if (!blocks.is_aligned_float()) {
      load_as_float(state.dtype, blocks.element(done), length, buffer.data());
      chunk = buffer.data();
    }
    blocks.for_each_part(
        done, length,
        [&](std::size_t offset, std::size_t part, const auto& constants, const auto& rule_kernels) {
          overflowed += count_overflow(constants, chunk + offset, part);
          rule_kernels.encode(constants, chunk + offset, part, codes.data() + offset);
        });
    pack_bits(std::span(codes).first(length), state.scheme.bits, first_bit,
              std::span(*packed).subspan(done / 8 * bits));
  }
  return overflowed;
}

std::uint64_t TensorQuantizer::block_count() const { return state_->layout.blocks; }

std::vector<BlockParams> TensorQuantizer::block_params(std::uint64_t limit) const {
  return state_->ready ? state_->known_params({0, limit}) : std::vector<BlockParams>();
}

std::uint64_t TensorQuantizer::clipped_blocks() const { return state_->clipped_blocks; }

std::uint64_t TensorQuantizer::clipped_values() const { return state_->clipped_values; }

}  // namespace narrow
