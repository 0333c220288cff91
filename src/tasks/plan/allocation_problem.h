// What a plan chooses between: the widths of every tensor, what they take and what they damage.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "narrow/plan.h"
#include "tasks/plan/activation_damage.h"
#include "tasks/plan/damage_table.h"
#include "tasks/plan/knapsack.h"
#include "tasks/plan/width_rules.h"

namespace narrow {

// The option of every group of tensors and then of values between operators: an index into its
// widths, or their number for a group that stays as it is.
using WidthChoice = std::vector<std::size_t>;

struct AllocationProblem {
  std::vector<std::size_t> indices;  // of the planned tensors, by name
  CopyCounts copied;
  std::vector<WidthGroup> groups;
  std::vector<Scheme> schemes;  // one a width, ascending
  std::vector<std::vector<WidthCost>> costs;
  std::vector<ValueSpread> spreads;
  std::vector<ActivationCosts> activations;
  std::vector<int> activation_bits;  // the widths of all of these
  std::string input_digest;          // checkpoint_digest
  std::vector<KnapsackItem> items;   // one a group, its options as a WidthChoice has them

  // The scheme of a group's tensors; null where they stay as they are.
  [[nodiscard]] const Scheme* scheme_of(const WidthGroup& group, std::size_t option) const;
};

// Without costs, digest and items where other processes make the result (base/exchange.h). Throws
// as plan_budget does, but for the budget.
AllocationProblem pose_allocation(const CheckpointReader& reader, const AllocationRequest& request,
                                  const RunOptions& run);

// Every group at `bits`, or the nearest width that it may have, of two the smaller.
WidthChoice single_width(const AllocationProblem& problem, int bits);

// The allocation but for its budget, its choice and what belongs to these.
BitAllocation empty_allocation(const CheckpointReader& reader, const AllocationProblem& problem,
                               const AllocationRequest& request);

// Fills in the tensors with their widths, their size and their damage.
void take_choice(const CheckpointReader& reader, const AllocationProblem& problem,
                 const AllocationRequest& request, const WidthChoice& choice, BitAllocation& plan);

// The plan of least damage within the request's budget, or that of `choice`; `plan` is an
// empty_allocation. Throws as plan_budget does.
BitAllocation allocate(const CheckpointReader& reader, const AllocationProblem& problem,
                       const AllocationRequest& request, BitAllocation plan,
                       const WidthChoice* choice = nullptr);

// Bits an element.
double bits_per_element(std::uint64_t bytes, std::uint64_t elements);

}  // namespace narrow
