// Size and damage of every tensor at every width.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "narrow/plan.h"
#include "narrow/run_options.h"
#include "narrow/sweep.h"
#include "packed/checkpoint_digest.h"

namespace narrow {

struct WidthCost {
  std::uint64_t bytes = 0;  // codes and parameters
  double damage = 0;
  double relative_l2 = 0;
};

struct DamageTable {
  std::vector<std::vector<WidthCost>> costs;  // [tensor][scheme]
  std::vector<ValueSpread> spreads;           // by tensor
  TensorDigests digests;                      // of these tensors
};

// For the tensors at `indices`; the schemes differ in width only. Empty where other processes make
// the result (base/exchange.h). Throws what plan_budget throws for the request's kind of damage.
DamageTable damage_table(const CheckpointReader& reader, std::span<const std::size_t> indices,
                         std::span<const Scheme> schemes, const AllocationRequest& request,
                         const RunOptions& run);

}  // namespace narrow
