#include "tasks/plan/damage_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/exchange.h"
#include "base/parallel.h"
#include "model/checkpoint_network.h"
#include "narrow/error.h"
#include "tasks/plan/absorbed_weights.h"
#include "tasks/plan/fisher_sensitivity.h"
#include "tasks/plan/graph_sensitivity.h"
#include "tasks/plan/measured_damage.h"
#include "tasks/plan/output_sensitivity.h"
#include "tasks/plan/sensitivity_errors.h"

namespace narrow {
namespace {

constexpr std::array<std::pair<DamageKind, std::string_view>, 4> kDamageNames = {{
    {DamageKind::kWeight, "weight"},
    {DamageKind::kOutput, "output"},
    {DamageKind::kFisher, "fisher"},
    {DamageKind::kMeasured, "measured"},
}};

// The power of the noise as a share of the tensor's; the power itself when the tensor has none.
double relative_power(const ErrorSums& errors) {
  return errors.sum_x2 > 0 ? errors.sum_d2 / errors.sum_x2 : errors.sum_d2;
}

// The costs of a weight whose channel scales are absorbed: its errors in units of the checkpoint,
// and where there are sensitivities s the damage sum s d^2. `sensitivity` may be null.
void absorb_scales(const AbsorbedWeights& absorbed, const std::string& name,
                   std::span<const Scheme> schemes, const Sensitivity* sensitivity,
                   std::vector<WidthCost>& costs) {
  const std::span<const float> exact = absorbed.values(name);
  std::vector<double> factors(sensitivity != nullptr ? exact.size() : 0);
  if (sensitivity != nullptr) sensitivity->get(0, factors);
  for (std::size_t s = 0; s < schemes.size(); ++s) {
    const std::vector<float> restored = absorbed.restored(name, schemes[s]);
    const ErrorSums errors = measure_error(exact, std::span<const float>(restored));
    costs[s].relative_l2 = errors.relative_l2();
    costs[s].damage = sensitivity != nullptr ? 0 : relative_power(errors);
    for (std::size_t i = 0; i < factors.size(); ++i) {
      const double d = static_cast<double>(restored[i]) - exact[i];
      costs[s].damage += factors[i] * (d * d);
    }
  }
}

void weigh(const CheckpointReader& reader, std::size_t index, std::span<const Scheme> schemes,
           const AxisRules& axes, const Sensitivity& sensitivity, std::vector<WidthCost>& costs) {
  std::vector<Scheme> of_tensor;
  for (const Scheme& scheme : schemes) {
    of_tensor.push_back(
        with_channel_axes(scheme, reader.tensors()[index], reader.location().format, axes));
  }
  const auto damages = sensitivity_errors(reader, index, of_tensor, sensitivity);
  for (std::size_t s = 0; s < schemes.size(); ++s) costs[s].damage = damages[s];
}

// Of kOutput. Throws Error(kUsage) for a graph of which nothing is known.
SensitivityMap known_sensitivity(const CheckpointReader& reader, const AllocationRequest& request) {
  if (!is_any_graph(reader)) return output_sensitivity(reader, request.images.image_size);
  SensitivityMap sensitivities =
      graph_sensitivity(reader, request.images.image_size, request.bias_correct);
  if (!sensitivities.empty()) return sensitivities;
  throw Error(ErrorCategory::kUsage,
              fmt::format("{}: what its layers see is not known, as no batch norms follow them; "
                          "plan with the damage of weights, or measure it with images",
                          reader.location().path.string()));
}

// From the damage of weights to what sensitivities and absorbed scales make of it. Tensors of a
// graph of which nothing is known keep the damage of weights.
void weigh_all(const CheckpointReader& reader, std::span<const std::size_t> indices,
               std::span<const Scheme> schemes, const AllocationRequest& request,
               const SensitivityMap& sensitivities, const AbsorbedWeights* absorbed,
               std::vector<std::vector<WidthCost>>& table) {
  const bool all_have_one = request.damage == DamageKind::kFisher ||
                            (request.damage == DamageKind::kOutput && !is_any_graph(reader));
  for (std::size_t t = 0; t < indices.size(); ++t) {
    const std::string& name = reader.tensors()[indices[t]].name;
    const auto found = sensitivities.find(name);
    const Sensitivity* const known = found != sensitivities.end() ? found->second.get() : nullptr;
    if (known == nullptr && all_have_one) {
      throw Error(ErrorCategory::kUsage,
                  fmt::format("{} is no trainable variable of the checkpoint's network, so its "
                              "damage is not known: plan with the damage of weights, or leave it "
                              "out",
                              name),
                  {Remedy::Kind::kExclude});
    }
    if (absorbed != nullptr && absorbed->has(name)) {
      absorb_scales(*absorbed, name, schemes, known, table[t]);
    } else if (known != nullptr) {
      weigh(reader, indices[t], schemes, request.axes, *known, table[t]);
    }
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

// Whether the damage to the output of every planned tensor can be estimated.
bool has_output_damage(const CheckpointReader& reader, const AllocationRequest& request) {
  try {
    if (is_any_graph(reader))
      return !graph_sensitivity(reader, request.images.image_size, request.bias_correct).empty();
    const SensitivityMap known = output_sensitivity(reader, request.images.image_size);
    const auto indices = selected_indices(reader, request.selection);
    return std::ranges::all_of(
        indices, [&](std::size_t index) { return known.contains(reader.tensors()[index].name); });
  } catch (const Error& error) {
    if (error.category() == ErrorCategory::kIo) throw;
    return false;  // no such network
  }
}

}  // namespace

DamageKind best_damage(const CheckpointReader& reader, const AllocationRequest& request) {
  if (request.images.has_examples() && is_any_graph(reader)) return DamageKind::kMeasured;
  return has_output_damage(reader, request) ? DamageKind::kOutput : DamageKind::kWeight;
}

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
  throw Error(
      ErrorCategory::kUsage,
      fmt::format("there is no damage '{}'; known are weight, output, fisher and measured", name));
}

DamageTable damage_table(const CheckpointReader& reader, std::span<const std::size_t> indices,
                         std::span<const Scheme> schemes, const AllocationRequest& request,
                         const RunOptions& run) {
  const ThreadLimit limit(run.threads);
  const SweepOptions options{NonFinitePolicy::kError, request.axes, true};
  const SweepResult swept = sweep_errors(reader, indices, schemes, options, run);
  SensitivityMap sensitivities;
  if (request.damage == DamageKind::kFisher) {
    sensitivities = fisher_sensitivity(reader, request, run.threads);
  }
  std::optional<AbsorbedWeights> absorbed;
  if (request.absorb_channel_scales) absorbed.emplace(reader, request.images.image_size);
  const AbsorbedWeights* const scales = absorbed ? &*absorbed : nullptr;
  MeasuredWidths measured;
  if (request.damage == DamageKind::kMeasured) {
    measured = measure_damage(reader, indices, schemes, request, scales, run.observer);
  }
  DamageTable table;
  if (!exchange().makes_result()) return table;
  table.digests.resize(reader.tensors().size());
  for (const TensorSweep& tensor : swept.tensors) {
    table.digests[tensor.index] = tensor.digest;
    table.spreads.push_back(tensor.spread);
    std::vector<WidthCost>& row = table.costs.emplace_back();
    for (const SchemeCost& cost : tensor.costs) {
      row.push_back(
          {(cost.bits() + 7) / 8, relative_power(cost.errors), cost.errors.relative_l2()});
    }
  }
  if (request.damage == DamageKind::kOutput) sensitivities = known_sensitivity(reader, request);
  weigh_all(reader, indices, schemes, request, sensitivities, scales, table.costs);
  if (request.damage == DamageKind::kMeasured) put_measured(measured, table.costs);
  check_finite(reader, indices, table.costs);
  return table;
}

}  // namespace narrow
