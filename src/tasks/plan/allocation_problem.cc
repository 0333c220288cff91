#include "tasks/plan/allocation_problem.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <span>
#include <utility>

#include "base/exchange.h"
#include "model/checkpoint_network.h"
#include "narrow/error.h"
#include "narrow/sweep.h"
#include "tasks/network/image_graph.h"

namespace narrow {
namespace {

std::vector<std::size_t> indices_by_name(const CheckpointReader& reader, const Selection& selection,
                                         CopyCounts* copied) {
  std::vector<std::size_t> indices = selected_indices(reader, selection, copied);
  std::ranges::sort(indices, {},
                    [&](std::size_t i) -> const std::string& { return reader.tensors()[i].name; });
  return indices;
}

std::size_t place_of(std::span<const Scheme> schemes, int bits) {
  const auto found = std::ranges::find(schemes, bits, &Scheme::bits);
  return static_cast<std::size_t>(found - schemes.begin());
}

KnapsackItem item_of(const CheckpointReader& reader, const AllocationProblem& problem,
                     const WidthGroup& group) {
  KnapsackItem item;
  for (const int bits : group.widths) {
    const std::size_t scheme = place_of(problem.schemes, bits);
    KnapsackOption option;
    for (const std::size_t member : group.members) {
      option.size += problem.costs[member][scheme].bytes;
      option.damage += problem.costs[member][scheme].damage;
    }
    item.push_back(option);
  }
  if (!group.may_stay_float) return item;
  KnapsackOption as_it_is;
  for (const std::size_t member : group.members) {
    as_it_is.size += reader.tensors()[problem.indices[member]].byte_size();
  }
  item.push_back(as_it_is);
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

void count_copied(const CheckpointReader& reader, const AllocationProblem& problem,
                  BitAllocation& plan) {
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

AllocatedActivation allocated(const ActivationCosts& costs, const AllocationRequest& request,
                              std::size_t option) {
  return {costs.values, request.activations[option], costs.elements, costs.damage[option]};
}

}  // namespace

const Scheme* AllocationProblem::scheme_of(const WidthGroup& group, std::size_t option) const {
  if (option == group.widths.size()) return nullptr;
  return &schemes[place_of(schemes, group.widths[option])];
}

AllocationProblem pose_allocation(const CheckpointReader& reader, const AllocationRequest& request,
                                  const RunOptions& run) {
  require_plannable_activations(reader, request);
  if (!request.images.inputs.empty() && request.damage != DamageKind::kMeasured) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("arrays are for the damage that is measured, and that of {} is to be "
                            "{}: leave {} out, or have it measured where its network is known",
                            reader.location().path.string(), to_string(request.damage),
                            request.images.inputs.string()));
  }
  AllocationProblem problem;
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
  DamageTable table = damage_table(reader, problem.indices, problem.schemes, request, run);
  if (!exchange().makes_result()) return problem;
  problem.costs = std::move(table.costs);
  problem.spreads = std::move(table.spreads);
  problem.activations = activation_costs(reader, problem.indices, problem.schemes, request, run);
  for (const ActivationScheme& scheme : request.activations) {
    problem.activation_bits.push_back(scheme.bits);
  }
  problem.input_digest = checkpoint_digest(reader, table.digests, run.threads);
  for (const WidthGroup& group : problem.groups) {
    problem.items.push_back(item_of(reader, problem, group));
  }
  for (const ActivationCosts& costs : problem.activations) {
    KnapsackItem& item = problem.items.emplace_back();
    for (std::size_t i = 0; i < costs.damage.size(); ++i) {
      item.push_back({allocated(costs, request, i).bytes(), costs.damage[i]});
    }
  }
  return problem;
}

WidthChoice single_width(const AllocationProblem& problem, int bits) {
  const auto nearest = [bits](const std::vector<int>& widths) {
    const auto nearer = [&](int a, int b) { return std::abs(a - bits) < std::abs(b - bits); };
    return static_cast<std::size_t>(std::ranges::min_element(widths, nearer) - widths.begin());
  };
  WidthChoice choice;
  for (const WidthGroup& group : problem.groups) choice.push_back(nearest(group.widths));
  choice.resize(choice.size() + problem.activations.size(), nearest(problem.activation_bits));
  return choice;
}

BitAllocation empty_allocation(const CheckpointReader& reader, const AllocationProblem& problem,
                               const AllocationRequest& request) {
  BitAllocation plan;
  plan.input = reader.location().path.filename().string();
  plan.damage_kind = request.damage;
  if (request.damage != DamageKind::kWeight) {
    plan.image_size = image_size_of(reader, request.images.image_size);
  }
  const bool is_of_images = plan.image_size > 0 && is_any_graph(reader);
  plan.absorb_channel_scales = request.absorb_channel_scales;
  plan.bias_correct = request.bias_correct && is_of_images;
  if (request.damage == DamageKind::kMeasured) plan.measured_images = request.measured_images;
  // An average is that of the quantized weights.
  plan.quantized_only = request.quantized_only || request.average_bits.has_value();
  count_copied(reader, problem, plan);
  for (const ActivationCosts& costs : problem.activations) {
    plan.activation_elements += costs.elements;
  }
  plan.input_digest = problem.input_digest;
  return plan;
}

void take_choice(const CheckpointReader& reader, const AllocationProblem& problem,
                 const AllocationRequest& request, const WidthChoice& choice, BitAllocation& plan) {
  const std::size_t tensor_groups = problem.groups.size();
  plan.quantized_bytes = size_of(std::span(problem.items).first(tensor_groups),
                                 std::span(choice).first(tensor_groups));
  plan.damage = damage_of(problem.items, choice);
  std::vector<std::pair<std::size_t, AllocatedTensor>> tensors;
  std::vector<std::size_t> kept;
  for (std::size_t g = 0; g < problem.groups.size(); ++g) {
    const WidthGroup& group = problem.groups[g];
    const Scheme* const scheme = problem.scheme_of(group, choice[g]);
    for (const std::size_t member : group.members) {
      const std::size_t index = problem.indices[member];
      if (scheme == nullptr) {
        kept.push_back(index);
        continue;
      }
      const auto cost_of = [&](const Scheme* one) -> const WidthCost& {
        return problem.costs[member][static_cast<std::size_t>(one - problem.schemes.data())];
      };
      const WidthCost& cost = cost_of(scheme);
      const TensorInfo& info = reader.tensors()[index];
      const Scheme named = with_channel_axes(*scheme, info, reader.location().format, request.axes);
      AllocatedTensor tensor{
          info, named, cost.bytes, cost.damage, cost.relative_l2, problem.spreads[member]};
      if (choice[g] + 1 < group.widths.size()) {
        const Scheme* const wider = problem.scheme_of(group, choice[g] + 1);
        tensor.wider = {wider->bits, cost_of(wider).bytes, cost_of(wider).damage};
      }
      tensors.emplace_back(index, std::move(tensor));
    }
  }
  for (std::size_t i = 0; i < problem.activations.size(); ++i) {
    plan.activations.push_back(
        allocated(problem.activations[i], request, choice[tensor_groups + i]));
  }
  std::ranges::sort(tensors, {}, [](const auto& entry) { return entry.first; });
  for (auto& [index, tensor] : tensors) plan.tensors.push_back(std::move(tensor));
  std::ranges::sort(kept);
  for (const std::size_t index : kept) plan.left_in_float.push_back(reader.tensors()[index]);
}

double bits_per_element(std::uint64_t bytes, std::uint64_t elements) {
  return elements == 0 ? 0 : 8 * static_cast<double>(bytes) / static_cast<double>(elements);
}

}  // namespace narrow
