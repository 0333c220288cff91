#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>
#include <utility>

#include "base/checked.h"
#include "base/exchange.h"
#include "model/onnx/onnx_network.h"
#include "narrow/error.h"
#include "narrow/packed_checkpoint.h"
#include "narrow/plan.h"
#include "narrow/sweep.h"
#include "tasks/network/image_graph.h"
#include "tasks/plan/damage_table.h"
#include "tasks/plan/knapsack.h"
#include "tasks/plan/width_rules.h"

namespace narrow {
namespace {

using Choice = std::vector<std::size_t>;

// What there is to choose between.
struct Problem {
  std::vector<std::size_t> indices;  // of the quantized tensors, by name
  CopyCounts copied;
  std::vector<WidthGroup> groups;
  std::vector<Scheme> schemes;  // one a width, ascending
  std::vector<std::vector<WidthCost>> costs;
  std::vector<KnapsackItem> items;  // one a group, its options by width

  [[nodiscard]] std::size_t scheme_of_bits(int bits) const {
    const auto found = std::ranges::find(schemes, bits, &Scheme::bits);
    return static_cast<std::size_t>(found - schemes.begin());
  }
};

std::vector<std::size_t> indices_by_name(const CheckpointReader& reader, const Selection& selection,
                                         CopyCounts* copied) {
  std::vector<std::size_t> indices = selected_indices(reader, selection, copied);
  std::ranges::sort(indices, {},
                    [&](std::size_t i) -> const std::string& { return reader.tensors()[i].name; });
  return indices;
}

KnapsackItem item_of(const Problem& problem, const WidthGroup& group) {
  KnapsackItem item;
  for (const int bits : group.widths) {
    const std::size_t scheme = problem.scheme_of_bits(bits);
    KnapsackOption option;
    for (const std::size_t member : group.members) {
      option.size += problem.costs[member][scheme].bytes;
      option.damage += problem.costs[member][scheme].damage;
    }
    item.push_back(option);
  }
  return item;
}

// Throws Error(kUsage) when the scheme has no such width.
Scheme scheme_of_width(Scheme scheme, int bits) {
  const bool is_too_wide = scheme.kind == SchemeKind::kCodebook && bits > kMaxCodebookBits;
  scheme.bits = is_too_wide ? kMaxCodebookBits : bits;
  validate(scheme);
  if (!is_too_wide) return scheme;
  scheme.kind = SchemeKind::kBin;
  scheme.bits = bits;
  return scheme;
}

Problem pose(const CheckpointReader& reader, const AllocationRequest& request,
             const RunOptions& run) {
  Problem problem;
  problem.indices = indices_by_name(reader, request.selection, &problem.copied);
  std::vector<TensorInfo> tensors;
  for (const std::size_t index : problem.indices) tensors.push_back(reader.tensors()[index]);
  require_axis_matches(request.axes, tensors);
  problem.groups = width_groups(tensors, request);
  std::set<int> widths;
  for (const WidthGroup& group : problem.groups) {
    widths.insert(group.widths.begin(), group.widths.end());
  }
  for (const int bits : widths) problem.schemes.push_back(scheme_of_width(request.scheme, bits));
  problem.costs = damage_table(reader, problem.indices, problem.schemes, request, run);
  if (!exchange().makes_result()) return problem;
  for (const WidthGroup& group : problem.groups) problem.items.push_back(item_of(problem, group));
  return problem;
}

// Every group at `bits`, or the nearest width that it may have, of two the smaller.
Choice single_width(const Problem& problem, int bits) {
  Choice choice;
  for (const WidthGroup& group : problem.groups) {
    const auto nearer = [&](int a, int b) { return std::abs(a - bits) < std::abs(b - bits); };
    const auto best = std::ranges::min_element(group.widths, nearer);
    choice.push_back(static_cast<std::size_t>(best - group.widths.begin()));
  }
  return choice;
}

void count_copied(const CheckpointReader& reader, const Problem& problem, BitAllocation& plan) {
  plan.copied_by_reason = problem.copied;
  std::vector<bool> quantized(reader.tensors().size(), false);
  for (const std::size_t index : problem.indices) quantized[index] = true;
  for (std::size_t i = 0; i < quantized.size(); ++i) {
    const TensorInfo& info = reader.tensors()[i];
    plan.input_bytes += info.byte_size();
    if (quantized[i]) {
      plan.elements += element_count(info.shape);
      continue;
    }
    ++plan.copied;
    plan.copied_bytes += info.byte_size();
  }
}

std::uint64_t budget_of(const AllocationRequest& request, const BitAllocation& plan) {
  if (request.budget_bytes.has_value() == request.average_bits.has_value()) {
    throw Error(ErrorCategory::kUsage, "a plan needs a budget: either bytes or average bits");
  }
  if (request.budget_bytes) return *request.budget_bytes;
  const double bytes = std::floor(*request.average_bits * static_cast<double>(plan.elements) / 8);
  constexpr double kMostBytes = 0x1p62;
  if (!(*request.average_bits > 0) || !(bytes < kMostBytes)) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("average bits {}: not a number of bits that weights can have",
                            *request.average_bits));
  }
  return static_cast<std::uint64_t>(bytes);
}

// The part of the budget that is for the quantized tensors.
std::uint64_t budget_of_quantized(const Problem& problem, const BitAllocation& plan) {
  const std::uint64_t least = smallest_size(problem.items);
  const std::uint64_t taken = plan.quantized_only ? 0 : plan.copied_bytes;
  if (taken <= plan.budget_bytes && least <= plan.budget_bytes - taken) {
    return plan.budget_bytes - taken;
  }
  std::string sentence = fmt::format(
      "a budget of {} bytes is too small: the {} quantized tensors take at least {} bytes with the "
      "widths allowed",
      plan.budget_bytes, problem.indices.size(), least);
  if (taken > 0) {
    sentence += fmt::format(
        ", and the {} tensors that are copied take {} bytes (a budget for the quantized ones alone "
        "leaves them out of the account)",
        plan.copied, taken);
  }
  throw Error(ErrorCategory::kUsage, sentence);
}

double average_bits_of(std::uint64_t bytes, std::uint64_t elements) {
  return elements == 0 ? 0 : 8 * static_cast<double>(bytes) / static_cast<double>(elements);
}

// The curve has a point at the size of every single width, and one at the budget.
void draw_curve(const Problem& problem, const AllocationRequest& request,
                const std::vector<Choice>& singles, const KnapsackSolution& asked,
                BitAllocation& plan) {
  const std::uint64_t counted = plan.bytes() - plan.quantized_bytes;
  plan.curve.push_back({std::nullopt, std::nullopt, plan.budget_bytes, plan.average_bits(),
                        asked.damage, asked.lower_bound});
  for (std::size_t i = 0; i < singles.size(); ++i) {
    const std::uint64_t size = size_of(problem.items, singles[i]);
    const KnapsackSolution best = solve_knapsack(problem.items, size, singles);
    plan.curve.push_back({request.widths[i], damage_of(problem.items, singles[i]), size + counted,
                          average_bits_of(best.size, plan.elements), best.damage,
                          best.lower_bound});
  }
  std::ranges::stable_sort(plan.curve, {}, &CurvePoint::budget_bytes);
}

void take_choice(const CheckpointReader& reader, const Problem& problem, const AxisRules& axes,
                 const Choice& choice, BitAllocation& plan) {
  std::vector<std::pair<std::size_t, AllocatedTensor>> tensors;
  for (std::size_t g = 0; g < problem.groups.size(); ++g) {
    const WidthGroup& group = problem.groups[g];
    const std::size_t scheme = problem.scheme_of_bits(group.widths[choice[g]]);
    for (const std::size_t member : group.members) {
      const WidthCost& cost = problem.costs[member][scheme];
      const std::size_t index = problem.indices[member];
      const TensorInfo& info = reader.tensors()[index];
      const Scheme named =
          with_channel_axes(problem.schemes[scheme], info, reader.location().format, axes);
      tensors.push_back({index, {info, named, cost.bytes, cost.damage, cost.relative_l2}});
    }
  }
  std::ranges::sort(tensors, {}, [](const auto& entry) { return entry.first; });
  for (auto& [index, tensor] : tensors) plan.tensors.push_back(std::move(tensor));
}

}  // namespace

std::uint64_t BitAllocation::bytes() const {
  return quantized_bytes + (quantized_only ? 0 : copied_bytes);
}

double BitAllocation::average_bits() const { return average_bits_of(quantized_bytes, elements); }

double BitAllocation::gap() const { return damage > lower_bound ? damage / lower_bound - 1 : 0; }

BitAllocation plan_budget(const CheckpointReader& reader, const AllocationRequest& request,
                          const RunOptions& run) {
  const Problem problem = pose(reader, request, run);
  BitAllocation plan;
  if (!exchange().makes_result()) return plan;
  plan.input = reader.location().path.filename().string();
  plan.damage_kind = request.damage;
  if (request.damage != DamageKind::kWeight) {
    plan.image_size = is_onnx(reader) ? image_size_of(reader, request.images.image_size)
                                      : request.images.image_size;
  }
  const bool is_of_images = plan.image_size > 0 && is_onnx(reader);
  plan.bias_correct = request.bias_correct && is_of_images;
  if (request.damage == DamageKind::kMeasured) plan.measured_images = request.measured_images;
  // An average is that of the quantized weights.
  plan.quantized_only = request.quantized_only || request.average_bits.has_value();
  count_copied(reader, problem, plan);
  plan.budget_bytes = budget_of(request, plan);
  std::vector<Choice> singles;
  for (const int bits : request.widths) singles.push_back(single_width(problem, bits));
  const KnapsackSolution solution =
      solve_knapsack(problem.items, budget_of_quantized(problem, plan), singles);
  plan.quantized_bytes = solution.size;
  plan.damage = solution.damage;
  plan.lower_bound = solution.lower_bound;
  plan.unit_bytes = solution.unit;
  take_choice(reader, problem, request.axes, solution.choice, plan);
  draw_curve(problem, request, singles, solution, plan);
  plan.input_digest = checkpoint_digest(reader);
  return plan;
}

}  // namespace narrow
