#include "tasks/evaluation/quantized_part.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "narrow/selection.h"
#include "stream/value_pieces.h"

namespace narrow {
namespace {

constexpr std::string_view kAverage = "/ExponentialMovingAverage";
constexpr std::size_t kMostKernels = 8;
constexpr std::size_t kMostValues = 65536;
// Trained float32 weights are all but different; of codes with few bits most are alike.
constexpr double kCodedShare = 0.75;
constexpr double kFloatShare = 0.9;

// Positions of a variable and its average: the evaluated one first.
struct Pair {
  std::size_t evaluated = 0;
  std::size_t other = 0;
  std::uint64_t elements = 0;
};

std::vector<Pair> pairs_of(const CheckpointReader& reader, bool averages) {
  std::map<std::string_view, std::size_t> by_variable;
  const std::vector<TensorInfo>& tensors = reader.tensors();
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    std::string_view name = tensors[i].name;
    if (!name.ends_with(kAverage) || !is_floating_point(tensors[i].dtype)) continue;
    name.remove_suffix(kAverage.size());
    by_variable.emplace(name, i);
  }
  std::vector<Pair> pairs;
  if (by_variable.empty()) return pairs;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto found = by_variable.find(tensors[i].name);
    if (found == by_variable.end() || is_training_state(tensors[i].name)) continue;
    if (tensors[i].shape.size() < 2 || !is_floating_point(tensors[i].dtype)) continue;
    const std::uint64_t elements = element_count(tensors[i].shape);
    pairs.push_back(averages ? Pair{found->second, i, elements} : Pair{i, found->second, elements});
  }
  std::ranges::stable_sort(pairs, std::ranges::greater{}, &Pair::elements);
  return pairs;
}

struct Repetition {
  std::size_t values = 0;
  std::size_t distinct = 0;

  [[nodiscard]] double share() const {
    return values == 0 ? 1 : static_cast<double>(distinct) / static_cast<double>(values);
  }
};

void count(const CheckpointReader& reader, std::size_t index, Repetition& repetition) {
  ValuePieces pieces(reader, index);
  const auto piece = pieces.next(kMostValues);
  std::vector<double> values;
  std::ranges::copy_if(piece, std::back_inserter(values),
                       [](double value) { return value != 0 && std::isfinite(value); });
  std::ranges::sort(values);
  repetition.values += values.size();
  values.erase(std::unique(values.begin(), values.end()), values.end());
  repetition.distinct += values.size();
}

bool values_tell(const CheckpointReader& reader, const std::vector<Pair>& pairs) {
  Repetition evaluated;
  Repetition other;
  for (std::size_t i = 0; i < std::min(pairs.size(), kMostKernels); ++i) {
    count(reader, pairs[i].evaluated, evaluated);
    count(reader, pairs[i].other, other);
  }
  return other.share() <= kCodedShare && evaluated.share() >= kFloatShare;
}

bool is_same(const CheckpointReader& reader, std::size_t index, const CheckpointReader& reference) {
  const TensorInfo& info = reader.tensors()[index];
  const auto found = reference.find(info.name);
  if (!found.has_value() || reference.tensors()[*found] != info) return false;
  ValuePieces pieces(reader, index);
  ValuePieces expected(reference, *found);
  while (!pieces.next(kMostValues).empty()) {
    expected.next(kMostValues);
    if (!std::ranges::equal(pieces.raw(), expected.raw())) return false;
  }
  return true;
}

bool reference_tells(const CheckpointReader& reader, const CheckpointReader& reference,
                     const std::vector<Pair>& pairs) {
  if (&reader == &reference) return false;
  const auto is_other_same = [&](const Pair& pair) {
    return is_same(reader, pair.other, reference);
  };
  const auto is_evaluated_same = [&](const Pair& pair) {
    return is_same(reader, pair.evaluated, reference);
  };
  return !std::ranges::all_of(pairs, is_other_same) &&
         std::ranges::all_of(pairs, is_evaluated_same);
}

}  // namespace

bool is_other_part_quantized(const CheckpointReader& reader, const CheckpointReader& reference,
                             bool averages) {
  const std::vector<Pair> pairs = pairs_of(reader, averages);
  if (pairs.empty()) return false;
  return values_tell(reader, pairs) || reference_tells(reader, reference, pairs);
}

}  // namespace narrow
