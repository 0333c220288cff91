// Schemes that can share one scan of a tensor form a group. For each tensor, PieceSource scans it
// once for all groups (small tensors stay in memory; the scan of a large one goes on while the one
// before it is measured), then for each group fits all its schemes and cuts the tensor into pieces.
// Of several processes each takes whole tensors. On all threads, every scheme of the group measures
// a piece while it is in the cache; in order, the errors are added to the cost of tensor and
// scheme, so that sums are those of narrow quantize to the bit.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <tuple>
#include <utility>

#include "base/byte_record.h"
#include "base/exchange.h"
#include "base/item_pool.h"
#include "base/parallel.h"
#include "base/raw_bytes.h"
#include "base/run_progress.h"
#include "narrow/error.h"
#include "narrow/sweep.h"
#include "packed/content_digest.h"
#include "quant/fitting/value_fit.h"
#include "quant/tensor_quantizer.h"
#include "stream/non_finite.h"
#include "stream/quantize_pieces.h"
#include "stream/quantized_size.h"
#include "stream/tensor_passes.h"
#include "tasks/shares/fingerprint.h"

namespace narrow {
namespace {

// Positions of schemes for which one scan of a tensor is enough.
using ScanGroup = std::vector<std::size_t>;

std::vector<ScanGroup> scan_groups(std::span<const Scheme> schemes) {
  std::vector<ScanGroup> groups;
  for (std::size_t i = 0; i < schemes.size(); ++i) {
    const auto fits = [&](const ScanGroup& group) {
      return TensorQuantizer::share_scan(schemes[group.front()], schemes[i]);
    };
    const auto found = std::ranges::find_if(groups, fits);
    if (found != groups.end()) {
      found->push_back(i);
    } else {
      groups.push_back({i});
    }
  }
  return groups;
}

// The quantizers of one tensor for the schemes of one group, in the group's order.
using Quantizers = std::vector<TensorQuantizer>;

// One piece of one tensor for the schemes of one group.
struct Piece {
  std::size_t tensor = 0;
  const ScanGroup* group = nullptr;
  std::shared_ptr<const Quantizers> quantizers;
  std::uint64_t first_element = 0;
  RawBytes bytes;
  bool is_digested = false;
  bool is_last = false;
  std::vector<ErrorSums> errors;
  std::vector<Digest128> leaves;  // see leaf_digests
};

// First stage: finds the ranges of a tensor, then cuts it into pieces, group after group.
class SweepPieces {
 public:
  // `is_mine`: by tensor, whether it is for this process.
  SweepPieces(const CheckpointReader& reader, std::span<const Scheme> schemes,
              const std::vector<ScanGroup>& groups, const SweepOptions& options,
              ItemPool<Piece>& pool, std::vector<TensorSweep>& tensors,
              const std::vector<bool>& is_mine)
      : reader_(reader),
        schemes_(schemes),
        groups_(groups),
        options_(options),
        pool_(pool),
        tensors_(tensors),
        is_mine_(is_mine) {}

  // The next piece, or null after the last.
  Piece* next() {
    while (bytes_left_ == 0) {
      if (group_ < scans_.size()) {
        begin_group();
      } else if (tensor_ < tensors_.size()) {
        begin_tensor();
      } else {
        return nullptr;
      }
    }
    return next_of_group();
  }

 private:
  // Scans the next tensor for every group.
  void begin_tensor() {
    TensorSweep& tensor = tensors_[tensor_++];
    scans_.clear();
    group_ = 0;
    of_tensor_ = schemes_for(tensor.info);
    name_axes(tensor);
    if (!is_mine_[tensor_ - 1]) return;
    scan(tensor);
    const NonFinite& found = scans_.front().non_finite();
    if (found.count == 0) {
      tensor.costs.resize(schemes_.size());
      std::tie(tensor.spread.minimum, tensor.spread.maximum) = scans_.front().value_range();
      if (options_.digests) tensor.digest = TensorDigest().digest();  // until its pieces come
      return;
    }
    if (options_.non_finite == NonFinitePolicy::kError) throw non_finite_error(tensor.info, found);
    tensor.non_finite = found.count;
    scans_.clear();
  }

  [[nodiscard]] std::vector<Scheme> schemes_for(const TensorInfo& info) const {
    std::vector<Scheme> schemes;
    for (const Scheme& scheme : schemes_) {
      schemes.push_back(with_channel_axes(scheme, info, reader_.location().format, options_.axes));
    }
    return schemes;
  }

  void name_axes(TensorSweep& tensor) const {
    for (const Scheme& scheme : of_tensor_) {
      if (tensor.channel_axes) return;
      tensor.channel_axes = channel_axes_of(scheme, tensor.info);
    }
  }

  // One for each group, before the first pass.
  [[nodiscard]] Quantizers new_quantizers(const TensorInfo& info,
                                          const std::vector<Scheme>& schemes) const {
    Quantizers quantizers;
    for (const ScanGroup& group : groups_) quantizers.emplace_back(schemes[group.front()], info, 0);
    return quantizers;
  }

  // Keeps the bytes of a tensor that is no longer than one read.
  void scan(const TensorSweep& tensor) {
    is_kept_ = tensor.info.byte_size() <= kScanBytes;
    if (!is_kept_) return scan_large(tensor);
    scans_ = new_quantizers(tensor.info, of_tensor_);
    kept_.resize(tensor.info.byte_size());
    reader_.read(tensor.index, kept_);
    for (TensorQuantizer& quantizer : scans_) scan_tensor(kept_, quantizer);
  }

  // And begins the same for the next such tensor, to be taken piece and piece about with the pieces
  // of this one.
  void scan_large(const TensorSweep& tensor) {
    if (ahead_ == nullptr || ahead_index_ != tensor_ - 1) {
      ahead_ = std::make_unique<TensorScan>(reader_, tensor.index,
                                            new_quantizers(tensor.info, of_tensor_));
    }
    scans_ = ahead_->finish();
    ahead_.reset();
    look_ahead();
  }

  void look_ahead() {
    // These would collect all values of both tensors.
    if (std::ranges::any_of(schemes_, fit_needs_values)) return;
    for (std::size_t i = tensor_; i < tensors_.size(); ++i) {
      const TensorInfo& info = tensors_[i].info;
      if (!is_mine_[i] || info.byte_size() <= kScanBytes) continue;
      ahead_ = std::make_unique<TensorScan>(reader_, tensors_[i].index,
                                            new_quantizers(info, schemes_for(info)));
      ahead_index_ = i;
      return;
    }
  }

  // Fits the schemes of the next group.
  void begin_group() {
    const TensorSweep& tensor = tensors_[tensor_ - 1];
    const TensorQuantizer& scanned = scans_[group_];
    auto quantizers = std::make_shared<Quantizers>();
    for (const std::size_t scheme : groups_[group_]) {
      quantizers->push_back(scanned.with_scheme(of_tensor_[scheme]));
      SchemeCost& cost = tensors_[tensor_ - 1].costs[scheme];
      cost.blocks = quantizers->back().block_count();
      cost.clipped_blocks = quantizers->back().clipped_blocks();
      cost.code_bits = packed_code_bits(schemes_[scheme], element_count(tensor.info.shape));
      cost.parameter_bits = cost.blocks * block_parameter_bits(schemes_[scheme]);
    }
    quantizers_ = std::move(quantizers);
    ++group_;
    first_element_ = 0;
    bytes_left_ = tensor.info.byte_size();
    if (!is_kept_) stream_ = reader_.open(tensor.index);
  }

  Piece* next_of_group() {
    const std::uint64_t element_bytes = element_size(tensors_[tensor_ - 1].info.dtype);
    const std::uint64_t length =
        std::min(bytes_left_, quantizers_->front().piece_elements() * element_bytes);
    Piece* piece = pool_.take();
    piece->tensor = tensor_ - 1;
    piece->group = &groups_[group_ - 1];
    piece->quantizers = quantizers_;
    piece->first_element = first_element_;
    piece->bytes.resize(length);
    if (is_kept_) {
      std::copy_n(kept_.data() + first_element_ * element_bytes, length, piece->bytes.data());
    } else {
      stream_->read(piece->bytes);
    }
    if (ahead_ != nullptr) ahead_->step();
    first_element_ += length / element_bytes;
    bytes_left_ -= length;
    piece->is_digested = options_.digests && group_ == 1;
    piece->is_last = bytes_left_ == 0;
    return piece;
  }

  const CheckpointReader& reader_;
  std::span<const Scheme> schemes_;
  const std::vector<ScanGroup>& groups_;
  const SweepOptions& options_;
  ItemPool<Piece>& pool_;
  std::vector<TensorSweep>& tensors_;
  const std::vector<bool>& is_mine_;
  std::size_t tensor_ = 0;  // the one after the current
  std::vector<Scheme> of_tensor_;
  Quantizers scans_;
  std::unique_ptr<TensorScan> ahead_;  // of a later tensor
  std::size_t ahead_index_ = 0;
  std::size_t group_ = 0;  // the one after the current
  std::shared_ptr<const Quantizers> quantizers_;
  std::unique_ptr<TensorStream> stream_;
  std::vector<std::byte> kept_;
  bool is_kept_ = false;
  std::uint64_t first_element_ = 0;
  std::uint64_t bytes_left_ = 0;
};

void measure(Piece& piece, std::size_t element_bytes) {
  piece.errors = TensorQuantizer::measure_each(*piece.quantizers, piece.first_element, piece.bytes);
  if (!piece.is_digested) return;
  piece.leaves = leaf_digests(piece.first_element * element_bytes, piece.bytes, piece.is_last);
}

// The tensors as asked for, and what is left of the checkpoint.
SweepResult empty_result(const CheckpointReader& reader, std::span<const std::size_t> indices,
                         std::span<const Scheme> schemes) {
  SweepResult result;
  result.schemes.assign(schemes.begin(), schemes.end());
  std::vector<bool> measured(reader.tensors().size());
  for (const std::size_t index : indices) {
    result.tensors.push_back({index, reader.tensors().at(index), 0, {}, {}, {}, {}});
    measured[index] = true;
  }
  for (std::size_t i = 0; i < measured.size(); ++i) {
    if (measured[i]) continue;
    ++result.copied;
    result.copied_bytes += reader.tensors()[i].byte_size();
  }
  return result;
}

std::vector<std::byte> serialize(const std::vector<TensorSweep>& tensors,
                                 const std::vector<bool>& is_mine) {
  ByteRecord record;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (!is_mine[i]) continue;
    record.put(static_cast<std::uint64_t>(i));
    record.put(tensors[i].non_finite);
    record.put(tensors[i].spread);
    record.put_all(std::span(tensors[i].costs));
    record.put(std::uint8_t{tensors[i].digest.has_value()});
    record.put(tensors[i].digest.value_or(Digest128{}));
  }
  return record.take();
}

// Returns how many tensors it is about.
std::size_t take_part(std::span<const std::byte> part, std::size_t schemes,
                      std::vector<TensorSweep>& tensors) {
  ByteRecordReader reader(part, "a part of the errors");
  std::size_t count = 0;
  for (; !reader.is_empty(); ++count) {
    const auto index = reader.take<std::uint64_t>();
    const auto non_finite = reader.take<std::uint64_t>();
    const auto spread = reader.take<ValueSpread>();
    auto costs = reader.take_all<SchemeCost>();
    const bool has_digest = reader.take<std::uint8_t>() != 0;
    const auto digest = reader.take<Digest128>();
    if (index >= tensors.size() || (non_finite == 0 && costs.size() != schemes)) {
      throw Error(ErrorCategory::kCorrupt, "a part of the errors is of another checkpoint");
    }
    tensors[index].non_finite = non_finite;
    tensors[index].spread = spread;
    tensors[index].costs = std::move(costs);
    if (has_digest) tensors[index].digest = digest;
  }
  return count;
}

// Puts together what all processes have, where the result is made.
void exchange_costs(const CheckpointReader& reader, std::span<const Scheme> schemes,
                    const std::vector<bool>& is_mine, std::vector<TensorSweep>& tensors) {
  if (exchange().is_alone()) return;
  const auto key = [&] {
    return fmt::format("{} {} schemes, {} tensors", fingerprint(reader), schemes.size(),
                       tensors.size());
  };
  const auto parts = exchange().gather("the errors", key, serialize(tensors, is_mine));
  if (!exchange().makes_result()) return;
  std::size_t found = 0;
  for (const auto& part : parts) found += take_part(part, schemes.size(), tensors);
  if (found == tensors.size()) return;
  throw Error(ErrorCategory::kCorrupt,
              fmt::format("the parts hold the errors of {} tensors instead of {}; make them again",
                          found, tensors.size()));
}

}  // namespace

double ValueSpread::peak() const {
  const double largest = std::max(std::abs(double{minimum}), std::abs(double{maximum}));
  return root_mean_square > 0 ? largest / root_mean_square : 0;
}

double SchemeSummary::bits_per_weight() const {
  return elements == 0 ? 0 : static_cast<double>(bits) / static_cast<double>(elements);
}

double SchemeSummary::ratio() const {
  return bits == 0 ? 0 : static_cast<double>(input_bytes) / static_cast<double>(bytes());
}

SchemeSummary SweepResult::summary(std::size_t scheme) const {
  SchemeSummary summary;
  for (const TensorSweep& tensor : tensors) {
    if (tensor.costs.empty()) continue;
    const SchemeCost& cost = tensor.costs.at(scheme);
    summary.errors.add(cost.errors);
    summary.elements += element_count(tensor.info.shape);
    summary.bits += cost.bits();
    summary.input_bytes += tensor.info.byte_size();
  }
  return summary;
}

std::vector<std::size_t> selected_indices(const CheckpointReader& reader,
                                          const Selection& selection, CopyCounts* copied) {
  const std::vector<CopyReason> reasons = copy_reasons(reader.tensors(), selection);
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < reasons.size(); ++i) {
    if (reasons[i] == CopyReason::kNone) indices.push_back(i);
  }
  const CopyCounts counts = count_reasons(reasons);
  require_quantized(reader, indices.size(), counts);
  if (copied != nullptr) *copied = counts;
  return indices;
}

SweepResult sweep_errors(const CheckpointReader& reader, std::span<const std::size_t> indices,
                         std::span<const Scheme> schemes, const SweepOptions& options,
                         const RunOptions& run) {
  if (schemes.empty()) throw Error(ErrorCategory::kUsage, "there is no scheme to measure");
  const auto start = std::chrono::steady_clock::now();
  const ThreadLimit limit(run.threads);
  SweepResult result = empty_result(reader, indices, schemes);
  std::vector<std::uint64_t> sizes;
  for (const TensorSweep& tensor : result.tensors) sizes.push_back(tensor.info.byte_size());
  const std::vector<bool> is_mine = deal_out(sizes, exchange().share());
  std::uint64_t total_bytes = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) total_bytes += is_mine[i] ? sizes[i] : 0;
  const std::vector<ScanGroup> groups = scan_groups(schemes);
  ItemPool<Piece> pool;
  SweepPieces source(reader, schemes, groups, options, pool, result.tensors, is_mine);
  std::uint64_t bytes_done = 0;  // counted once for every group
  TensorDigest digest;
  run_pipeline<Piece>(
      pieces_in_flight_ahead(limit.threads()), [&] { return source.next(); },
      [&](Piece& piece) { measure(piece, element_size(result.tensors[piece.tensor].info.dtype)); },
      [&](Piece& piece) {
        TensorSweep& tensor = result.tensors[piece.tensor];
        for (std::size_t i = 0; i < piece.errors.size(); ++i) {
          tensor.costs[(*piece.group)[i]].errors.merge(piece.errors[i]);
        }
        if (piece.is_digested) {
          digest.add(piece.bytes, piece.leaves);
          if (piece.is_last) tensor.digest = std::exchange(digest, {}).digest();
        }
        bytes_done += piece.bytes.size();
        piece.quantizers.reset();
        pool.give_back(&piece);
        report_progress(run.observer, bytes_done / groups.size(), total_bytes,
                        ProgressUnit::kBytes);
      });
  for (TensorSweep& tensor : result.tensors) {
    if (tensor.costs.empty()) continue;
    const ErrorSums& sums = tensor.costs.front().errors;
    if (sums.count == 0) continue;
    tensor.spread.root_mean_square = std::sqrt(sums.sum_x2 / static_cast<double>(sums.count));
  }
  exchange_costs(reader, schemes, is_mine, result.tensors);
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace narrow
