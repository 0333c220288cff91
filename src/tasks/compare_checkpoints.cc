#include "narrow/compare_checkpoints.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/item_pool.h"
#include "base/parallel.h"
#include "base/raw_bytes.h"
#include "quant/elements/element_chunk.h"
#include "stream/quantize_pieces.h"
#include "stream/value_pieces.h"

namespace narrow {
namespace {

constexpr std::size_t kPieceValues = 65536;
constexpr std::size_t kPieceBytes = std::size_t{1} << 20;

// The elements at the same place of two tensors.
struct PiecePair {
  std::size_t tensor = 0;  // of the result
  RawBytes reference;
  RawBytes other;
  // Where their values are not float32 as they lie.
  std::vector<float> reference_floats;
  std::vector<float> other_floats;
  // What the second stage made of them.
  bool identical = true;
  std::uint64_t non_finite_differences = 0;
  ErrorSums errors;
};

// Takes positions with a non-finite value out of the sums: both become 0. Gives how many of them
// differ.
std::uint64_t neutralize_non_finite(std::span<double> reference, std::span<double> other) {
  std::uint64_t differences = 0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    if (std::isfinite(reference[i]) && std::isfinite(other[i])) continue;
    const bool same =
        reference[i] == other[i] || (std::isnan(reference[i]) && std::isnan(other[i]));
    if (!same) ++differences;
    reference[i] = 0;
    other[i] = 0;
  }
  return differences;
}

// First stage: goes through the tensors that are measured, both files front to back.
class PairReader {
 public:
  struct Job {
    std::size_t tensor = 0;
    std::size_t reference = 0;
    std::size_t other = 0;
  };
  PairReader(const CheckpointReader& reference, const CheckpointReader& other,
             std::vector<Job> jobs, ItemPool<PiecePair>& pool)
      : reference_(reference), other_(other), jobs_(std::move(jobs)), pool_(pool) {}

  // Null after the last.
  PiecePair* next() {
    while (elements_left_ == 0) {
      if (next_job_ == jobs_.size()) return nullptr;
      open(jobs_[next_job_++]);
    }
    const DType reference = type_of(reference_, jobs_[next_job_ - 1].reference);
    const DType other = type_of(other_, jobs_[next_job_ - 1].other);
    const auto parts = static_cast<std::uint64_t>(values_per_element(reference));
    const std::uint64_t count = std::min<std::uint64_t>(elements_left_, kPieceValues / parts);
    PiecePair* piece = pool_.take();
    piece->tensor = jobs_[next_job_ - 1].tensor;
    piece->reference.resize(count * element_size(reference));
    piece->other.resize(count * element_size(other));
    reference_stream_->read(piece->reference);
    other_stream_->read(piece->other);
    elements_left_ -= count;
    return piece;
  }

 private:
  static DType type_of(const CheckpointReader& reader, std::size_t index) {
    return reader.tensors()[index].dtype;
  }

  void open(const Job& job) {
    elements_left_ = element_count(reference_.tensors()[job.reference].shape);
    if (elements_left_ == 0) return;
    reference_stream_ = reference_.open(job.reference);
    other_stream_ = other_.open(job.other);
  }

  const CheckpointReader& reference_;
  const CheckpointReader& other_;
  std::vector<Job> jobs_;
  ItemPool<PiecePair>& pool_;
  std::size_t next_job_ = 0;  // the one after the current
  std::uint64_t elements_left_ = 0;
  std::unique_ptr<TensorStream> reference_stream_;
  std::unique_ptr<TensorStream> other_stream_;
};

bool is_float32_or_smaller(DType dtype) {
  return dtype == DType::kFloat32 || is_small_float(dtype);
}

std::span<const float> floats_of(DType dtype, const RawBytes& bytes, std::vector<float>& loaded) {
  const std::size_t count = bytes.size() / element_size(dtype);
  if (dtype == DType::kFloat32) return {reinterpret_cast<const float*>(bytes.data()), count};
  loaded.resize(count);
  load_as_float(dtype, bytes.data(), count, loaded.data());
  return loaded;
}

ErrorSums measure_floats(const TensorComparison& tensor, PiecePair& piece) {
  return measure_error(floats_of(tensor.reference.dtype, piece.reference, piece.reference_floats),
                       floats_of(tensor.other.dtype, piece.other, piece.other_floats));
}

void measure_values(const TensorComparison& tensor, PiecePair& piece) {
  const DType dtype = tensor.reference.dtype;
  const auto parts = static_cast<std::size_t>(values_per_element(dtype));
  const std::size_t count = piece.reference.size() / element_size(dtype) * parts;
  std::vector<double> reference(count);
  std::vector<double> other(count);
  load_values(dtype, piece.reference, reference);
  load_values(tensor.other.dtype, piece.other, other);
  piece.non_finite_differences = neutralize_non_finite(reference, other);
  piece.errors = measure_error(reference, other);
}

// Second stage.
void compare_piece(const TensorComparison& tensor, PiecePair& piece) {
  // std::ranges::equal compares std::byte one by one.
  const RawBytes& other = piece.other;
  piece.identical =
      piece.reference.size() == other.size() &&
      (other.empty() || std::memcmp(piece.reference.data(), other.data(), other.size()) == 0);
  piece.non_finite_differences = 0;
  if (is_float32_or_smaller(tensor.reference.dtype) && is_float32_or_smaller(tensor.other.dtype)) {
    piece.errors = measure_floats(tensor, piece);
    // A value that is not finite makes this sum so.
    if (std::isfinite(piece.errors.sum_d2)) return;
  }
  measure_values(tensor, piece);
}

// Numbers with numbers of any type; what has no numeric values with its own type.
bool are_comparable(const TensorInfo& reference, const TensorInfo& other) {
  const int parts = values_per_element(reference.dtype);
  if (reference.shape != other.shape || parts != values_per_element(other.dtype)) return false;
  return parts > 0 ||
         (reference.dtype == other.dtype && reference.opaque.family == other.opaque.family &&
          reference.opaque.name == other.opaque.name);
}

bool have_same_bytes(const CheckpointReader& reference, std::size_t reference_index,
                     const CheckpointReader& other, std::size_t other_index) {
  std::uint64_t left = reference.tensors()[reference_index].byte_size();
  if (left != other.tensors()[other_index].byte_size()) return false;
  const auto reference_stream = reference.open(reference_index);
  const auto other_stream = other.open(other_index);
  std::vector<std::byte> a;
  std::vector<std::byte> b;
  bool same = true;
  // To the end in any case, where the checksums are verified.
  for (; left > 0; left -= a.size()) {
    a.resize(std::min<std::uint64_t>(left, kPieceBytes));
    b.resize(a.size());
    reference_stream->read(a);
    other_stream->read(b);
    same = same && a == b;
  }
  return same;
}

// All but the errors of numbers.
TensorComparison paired(const CheckpointReader& reference, std::size_t reference_index,
                        const CheckpointReader& other, std::size_t other_index) {
  TensorComparison result;
  result.reference = reference.tensors()[reference_index];
  result.other = other.tensors()[other_index];
  result.comparable = are_comparable(result.reference, result.other);
  result.identical = result.comparable && result.reference.dtype == result.other.dtype;
  if (!result.comparable) return result;
  if (result.reference.dtype == DType::kOpaque) {
    result.identical = have_same_bytes(reference, reference_index, other, other_index);
  } else if (result.reference.dtype == DType::kString) {
    result.identical = reference.read_strings(reference_index) == other.read_strings(other_index);
  }
  return result;
}

// Pieces are read in order, measured on all threads and added up in order.
void measure(const CheckpointReader& reference, const CheckpointReader& other,
             std::vector<PairReader::Job> jobs, std::vector<TensorComparison>& tensors) {
  ItemPool<PiecePair> pool;
  PairReader reader(reference, other, std::move(jobs), pool);
  run_pipeline<PiecePair>(
      pieces_in_flight_ahead(available_threads()), [&] { return reader.next(); },
      [&](PiecePair& piece) { compare_piece(tensors[piece.tensor], piece); },
      [&](PiecePair& piece) {
        TensorComparison& tensor = tensors[piece.tensor];
        tensor.identical = tensor.identical && piece.identical;
        tensor.non_finite_differences += piece.non_finite_differences;
        tensor.errors.merge(piece.errors);
        pool.give_back(&piece);
      });
}

// Of each tensor of `reference` the one of `other` that belongs to it.
using Partners = std::vector<std::optional<std::size_t>>;

void pair_by_shape(const CheckpointReader& reference, const CheckpointReader& other,
                   Partners& partners) {
  // Values or texts or bytes, and their shape.
  using Kind = std::pair<int, Shape>;
  struct Left {
    std::vector<std::size_t> reference;
    std::vector<std::size_t> other;
  };
  const auto kind = [](const TensorInfo& info) {
    return Kind(values_per_element(info.dtype), info.shape);
  };
  std::map<Kind, Left> left;
  for (std::size_t i = 0; i < partners.size(); ++i) {
    const TensorInfo& info = reference.tensors()[i];
    if (!partners[i].has_value()) left[kind(info)].reference.push_back(i);
  }
  for (std::size_t i = 0; i < other.tensors().size(); ++i) {
    const TensorInfo& info = other.tensors()[i];
    if (!reference.find(info.name).has_value()) left[kind(info)].other.push_back(i);
  }
  for (const auto& [unused, tensors] : left) {
    if (tensors.reference.size() != tensors.other.size()) continue;
    for (std::size_t i = 0; i < tensors.other.size(); ++i) {
      partners[tensors.reference[i]] = tensors.other[i];
    }
  }
}

Partners find_partners(const CheckpointReader& reference, const CheckpointReader& other,
                       TensorPairs pairs) {
  Partners partners;
  for (const TensorInfo& info : reference.tensors()) partners.push_back(other.find(info.name));
  if (pairs == TensorPairs::kNamesThenShapes) pair_by_shape(reference, other, partners);
  return partners;
}

}  // namespace

double TensorComparison::relative_l2() const {
  const bool bytes_differ = values_per_element(reference.dtype) == 0 && !identical;
  if (!comparable || bytes_differ || non_finite_differences > 0) {
    return std::numeric_limits<double>::infinity();
  }
  return errors.relative_l2();
}

CheckpointComparison compare_checkpoints(const CheckpointReader& reference,
                                         const CheckpointReader& other, TensorPairs pairs) {
  CheckpointComparison result;
  const Partners partners = find_partners(reference, other, pairs);
  std::vector<bool> is_paired(other.tensors().size());
  std::vector<PairReader::Job> jobs;
  for (std::size_t i = 0; i < partners.size(); ++i) {
    if (!partners[i].has_value()) {
      result.only_reference.push_back(reference.tensors()[i].name);
      continue;
    }
    is_paired[*partners[i]] = true;
    const TensorComparison& tensor =
        result.tensors.emplace_back(paired(reference, i, other, *partners[i]));
    if (!tensor.comparable || values_per_element(tensor.reference.dtype) == 0) continue;
    jobs.push_back({result.tensors.size() - 1, i, *partners[i]});
  }
  for (std::size_t i = 0; i < is_paired.size(); ++i) {
    if (!is_paired[i]) result.only_other.push_back(other.tensors()[i].name);
  }
  measure(reference, other, std::move(jobs), result.tensors);
  for (const TensorComparison& tensor : result.tensors) {
    result.pooled.merge(tensor.errors);
    result.max_relative_l2 = std::max(result.max_relative_l2, tensor.relative_l2());
    if (tensor.identical) ++result.identical;
  }
  return result;
}

}  // namespace narrow
