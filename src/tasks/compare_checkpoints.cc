#include "narrow/compare_checkpoints.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "stream/value_pieces.h"

namespace narrow {
namespace {

constexpr std::size_t kPieceValues = 65536;
constexpr std::size_t kPieceBytes = std::size_t{1} << 20;

// Takes positions with a non-finite value out of the sums: both become 0. Gives how many of them
// differ.
std::uint64_t neutralize_non_finite(std::vector<double>& reference, std::vector<double>& other) {
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

void compare_values(const CheckpointReader& reference, std::size_t reference_index,
                    const CheckpointReader& other, std::size_t other_index,
                    TensorComparison& result) {
  ValuePieces reference_pieces(reference, reference_index);
  ValuePieces other_pieces(other, other_index);
  std::vector<double> a;
  std::vector<double> b;
  while (true) {
    const auto reference_values = reference_pieces.next(kPieceValues);
    const auto other_values = other_pieces.next(kPieceValues);
    if (reference_values.empty()) break;
    result.identical =
        result.identical && std::ranges::equal(reference_pieces.raw(), other_pieces.raw());
    a.assign(reference_values.begin(), reference_values.end());
    b.assign(other_values.begin(), other_values.end());
    result.non_finite_differences += neutralize_non_finite(a, b);
    result.errors.merge(measure_error(a, b));
  }
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

TensorComparison compare_tensor(const CheckpointReader& reference, std::size_t reference_index,
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
  } else {
    compare_values(reference, reference_index, other, other_index, result);
  }
  return result;
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
  for (std::size_t i = 0; i < partners.size(); ++i) {
    if (!partners[i].has_value()) {
      result.only_reference.push_back(reference.tensors()[i].name);
      continue;
    }
    is_paired[*partners[i]] = true;
    const TensorComparison& tensor =
        result.tensors.emplace_back(compare_tensor(reference, i, other, *partners[i]));
    result.pooled.merge(tensor.errors);
    result.max_relative_l2 = std::max(result.max_relative_l2, tensor.relative_l2());
    if (tensor.identical) ++result.identical;
  }
  for (std::size_t i = 0; i < is_paired.size(); ++i) {
    if (!is_paired[i]) result.only_other.push_back(other.tensors()[i].name);
  }
  return result;
}

}  // namespace narrow
