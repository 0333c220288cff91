#include "tasks/plan/damage_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/exchange.h"
#include "base/parallel.h"
#include "narrow/error.h"
#include "narrow/sweep.h"
#include "tasks/plan/fisher_sensitivity.h"
#include "tasks/plan/output_sensitivity.h"
#include "tasks/plan/sensitivity_errors.h"

namespace narrow {
namespace {

constexpr std::array<std::pair<DamageKind, std::string_view>, 3> kDamageNames = {{
    {DamageKind::kWeight, "weight"},
    {DamageKind::kOutput, "output"},
    {DamageKind::kFisher, "fisher"},
}};

// The power of the noise as a share of the tensor's; the power itself when the tensor has none.
double relative_power(const ErrorSums& errors) {
  return errors.sum_x2 > 0 ? errors.sum_d2 / errors.sum_x2 : errors.sum_d2;
}

void weigh(const CheckpointReader& reader, std::span<const std::size_t> indices,
           std::span<const Scheme> schemes, const AxisRules& axes,
           const SensitivityMap& sensitivities, std::vector<std::vector<WidthCost>>& table) {
  for (std::size_t t = 0; t < indices.size(); ++t) {
    const TensorInfo& info = reader.tensors()[indices[t]];
    const auto found = sensitivities.find(info.name);
    if (found == sensitivities.end()) {
      throw Error(
          ErrorCategory::kUsage,
          fmt::format("{} is no trainable variable of the checkpoint's network, so its "
                      "damage is not known: plan with the damage of weights, or leave it out",
                      info.name),
          {Remedy::Kind::kExclude});
    }
    std::vector<Scheme> of_tensor;
    for (const Scheme& scheme : schemes) {
      of_tensor.push_back(with_channel_axes(scheme, info, reader.location().format, axes));
    }
    const auto damages = sensitivity_errors(reader, indices[t], of_tensor, *found->second);
    for (std::size_t s = 0; s < schemes.size(); ++s) table[t][s].damage = damages[s];
  }
}

void check_finite(const CheckpointReader& reader, std::span<const std::size_t> indices,
                  const std::vector<std::vector<WidthCost>>& table) {
  for (std::size_t t = 0; t < indices.size(); ++t) {
    const auto is_finite = [](const WidthCost& cost) { return std::isfinite(cost.damage); };
    if (std::ranges::all_of(table[t], is_finite)) continue;
    throw Error(ErrorCategory::kNumeric,
                fmt::format("the damage to tensor {} is beyond the numbers there are",
                            reader.tensors()[indices[t]].name),
                {Remedy::Kind::kExclude});
  }
}

}  // namespace

std::string_view to_string(DamageKind kind) noexcept {
  for (const auto& [known, name] : kDamageNames) {
    if (known == kind) return name;
  }
  return "";
}

DamageKind parse_damage_kind(std::string_view name) {
  for (const auto& [kind, known] : kDamageNames) {
    if (known == name) return kind;
  }
  throw Error(ErrorCategory::kUsage,
              fmt::format("there is no damage '{}'; known are weight, output and fisher", name));
}

std::vector<std::vector<WidthCost>> damage_table(const CheckpointReader& reader,
                                                 std::span<const std::size_t> indices,
                                                 std::span<const Scheme> schemes,
                                                 const AllocationRequest& request,
                                                 const RunOptions& run) {
  const ThreadLimit limit(run.threads);
  const SweepOptions options{NonFinitePolicy::kError, request.axes};
  const SweepResult swept = sweep_errors(reader, indices, schemes, options, run);
  SensitivityMap fisher;
  if (request.damage == DamageKind::kFisher) {
    fisher = fisher_sensitivity(reader, request, run.threads);
  }
  std::vector<std::vector<WidthCost>> table;
  if (!exchange().makes_result()) return table;
  for (const TensorSweep& tensor : swept.tensors) {
    std::vector<WidthCost>& row = table.emplace_back();
    for (const SchemeCost& cost : tensor.costs) {
      row.push_back(
          {(cost.bits() + 7) / 8, relative_power(cost.errors), cost.errors.relative_l2()});
    }
  }
  if (request.damage == DamageKind::kOutput) {
    weigh(reader, indices, schemes, request.axes,
          output_sensitivity(reader, request.images.image_size), table);
  } else if (request.damage == DamageKind::kFisher) {
    weigh(reader, indices, schemes, request.axes, fisher, table);
  }
  check_finite(reader, indices, table);
  return table;
}

}  // namespace narrow
