#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/exchange.h"
#include "narrow/error.h"
#include "narrow/plan.h"
#include "tasks/plan/allocation_problem.h"

namespace narrow {
namespace {

std::uint64_t budget_of(const AllocationRequest& request, const BitAllocation& plan) {
  if (request.budget_bytes.has_value() == request.average_bits.has_value()) {
    throw Error(ErrorCategory::kUsage, "a plan needs a budget: either bytes or average bits");
  }
  if (request.budget_bytes) return *request.budget_bytes;
  const double bytes = std::floor(
      *request.average_bits * static_cast<double>(plan.elements + plan.activation_elements) / 8);
  constexpr double kMostBytes = 0x1p62;
  if (!(*request.average_bits > 0) || !(bytes < kMostBytes)) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("average bits {}: not a number of bits that weights can have",
                            *request.average_bits));
  }
  return static_cast<std::uint64_t>(bytes);
}

// The part of the budget that is for the quantized tensors.
std::uint64_t budget_of_quantized(const AllocationProblem& problem, const BitAllocation& plan) {
  const std::uint64_t least = smallest_size(problem.items);
  const std::uint64_t taken = plan.quantized_only ? 0 : plan.copied_bytes;
  if (taken <= plan.budget_bytes && least <= plan.budget_bytes - taken) {
    return plan.budget_bytes - taken;
  }
  std::string sentence = fmt::format(
      "a budget of {} bytes is too small: the {} quantized tensors{} take at least {} bytes with "
      "the widths allowed",
      plan.budget_bytes, problem.indices.size(),
      problem.activations.empty() ? "" : " and the values between operators", least);
  if (taken > 0) {
    sentence += fmt::format(
        ", and the {} tensors that are copied take {} bytes (a budget for the quantized ones alone "
        "leaves them out of the account)",
        plan.copied, taken);
  }
  throw Error(ErrorCategory::kUsage, sentence);
}

// The curve has a point at the size of every single width, and one at the budget.
void draw_curve(const AllocationProblem& problem, const AllocationRequest& request,
                const std::vector<WidthChoice>& singles, BitAllocation& plan) {
  const std::uint64_t counted = plan.quantized_only ? 0 : plan.copied_bytes;
  plan.curve.push_back({std::nullopt, std::nullopt, plan.budget_bytes, plan.average_bits(),
                        plan.damage, plan.lower_bound});
  for (std::size_t i = 0; i < singles.size(); ++i) {
    const std::uint64_t size = size_of(problem.items, singles[i]);
    const KnapsackSolution best = solve_knapsack(problem.items, size, singles);
    plan.curve.push_back({request.widths[i], damage_of(problem.items, singles[i]), size + counted,
                          bits_per_element(best.size, plan.elements + plan.activation_elements),
                          best.damage, best.lower_bound});
  }
  std::ranges::stable_sort(plan.curve, {}, &CurvePoint::budget_bytes);
}

}  // namespace

std::uint64_t AllocatedActivation::bytes() const {
  return (elements * static_cast<std::uint64_t>(scheme.bits) + 7) / 8;
}

std::uint64_t BitAllocation::activation_bytes() const {
  std::uint64_t bytes = 0;
  for (const AllocatedActivation& activation : activations) bytes += activation.bytes();
  return bytes;
}

double BitAllocation::weight_bits() const { return bits_per_element(quantized_bytes, elements); }

double BitAllocation::activation_bits() const {
  return bits_per_element(activation_bytes(), activation_elements);
}

std::uint64_t BitAllocation::bytes() const {
  return quantized_bytes + activation_bytes() + (quantized_only ? 0 : copied_bytes);
}

double BitAllocation::average_bits() const {
  return bits_per_element(quantized_bytes + activation_bytes(), elements + activation_elements);
}

double BitAllocation::gap() const { return damage > lower_bound ? damage / lower_bound - 1 : 0; }

BitAllocation allocate(const CheckpointReader& reader, const AllocationProblem& problem,
                       const AllocationRequest& request, BitAllocation plan,
                       const WidthChoice* choice) {
  plan.budget_bytes = budget_of(request, plan);
  std::vector<WidthChoice> singles;
  for (const int bits : request.widths) singles.push_back(single_width(problem, bits));
  const KnapsackSolution solution =
      solve_knapsack(problem.items, budget_of_quantized(problem, plan), singles);
  plan.lower_bound = solution.lower_bound;
  plan.unit_bytes = solution.unit;
  take_choice(reader, problem, request, choice != nullptr ? *choice : solution.choice, plan);
  draw_curve(problem, request, singles, plan);
  return plan;
}

BitAllocation plan_budget(const CheckpointReader& reader, const AllocationRequest& request,
                          const RunOptions& run) {
  const AllocationProblem problem = pose_allocation(reader, request, run);
  if (!exchange().makes_result()) return {};
  return allocate(reader, problem, request, empty_allocation(reader, problem, request));
}

}  // namespace narrow
