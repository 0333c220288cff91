// Sums, means and extremes along axes, and images of another size.
#include <algorithm>
#include <limits>
#include <utility>

#include "graph/rules/fact_rules.h"
#include "nn/inference/native_steps.h"
#include "nn/inference/strided_copy.h"

namespace narrow {
namespace {

// What is reduced: axes of x with their strides, those that stay first.
struct Reduction {
  std::vector<std::pair<std::int64_t, std::int64_t>> kept;     // size, stride
  std::vector<std::pair<std::int64_t, std::int64_t>> reduced;  // the same
};

// The offsets of all elements of these axes, the last one running fastest.
std::vector<std::size_t> offsets_of(
    const std::vector<std::pair<std::int64_t, std::int64_t>>& axes) {
  std::vector<std::size_t> offsets = {0};
  for (const auto& [size, stride] : axes) {
    std::vector<std::size_t> next;
    next.reserve(offsets.size() * static_cast<std::size_t>(size));
    for (const std::size_t offset : offsets) {
      for (std::int64_t i = 0; i < size; ++i) {
        next.push_back(offset + static_cast<std::size_t>(i * stride));
      }
    }
    offsets = std::move(next);
  }
  return offsets;
}

using Kind = op::ReduceKind;

bool is_fast(Kind kind) {
  return kind == Kind::kMean || kind == Kind::kSum || kind == Kind::kMax || kind == Kind::kMin;
}

float reduced(Kind kind, const float* x, const std::vector<std::size_t>& offsets) {
  if (kind == Kind::kMax || kind == Kind::kMin) {
    float result = x[offsets[0]];
    for (const std::size_t offset : offsets) {
      const float value = x[offset];
      result = (kind == Kind::kMax ? value > result : value < result) ? value : result;
    }
    return result;
  }
  double sum = 0;
  for (const std::size_t offset : offsets) sum += x[offset];
  return static_cast<float>(kind == Kind::kMean ? sum / static_cast<double>(offsets.size()) : sum);
}

}  // namespace

bool add_reduce_step(ProgramValues& values, const Node& node) {
  const auto* const reduce = std::get_if<op::Reduce>(&node.attributes);
  if (reduce == nullptr || !is_fast(reduce->kind) || !values.is_array(node.inputs[0])) return false;
  const Shape x = *values.shape_of(node.inputs[0]);
  std::vector<bool> is_reduced(x.size(), true);
  if (node.inputs.size() > 1 && node.inputs[1] != kNoValue) {
    if (!values.is_stored(node.inputs[1])) return false;
    const std::vector<std::int64_t> axes = values.stored(node.inputs[1])->integers;
    if (axes.empty()) return false;
    is_reduced.assign(x.size(), false);
    for (const std::int64_t axis : axes) is_reduced[axis_of(axis, x.size())] = true;
  } else if (reduce->none_without_axes) {
    return false;
  }
  const std::vector<std::int64_t> strides = row_major_strides(x);
  Reduction reduction;
  for (std::size_t i = 0; i < x.size(); ++i) {
    (is_reduced[i] ? reduction.reduced : reduction.kept).emplace_back(x[i], strides[i]);
  }
  const StepArgument from = values.plain_argument(node.inputs[0]);
  values.builder().add_function(
      [kind = reduce->kind, kept = offsets_of(reduction.kept),
       along = offsets_of(reduction.reduced)](std::span<float* const> places) {
        for (std::size_t i = 0; i < kept.size(); ++i) {
          places[1][i] = reduced(kind, places[0] + kept[i], along);
        }
      },
      {from, argument(values.define(node.output()))});
  return true;
}

}  // namespace narrow
