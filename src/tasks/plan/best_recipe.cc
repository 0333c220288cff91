#include "narrow/best_recipe.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "narrow/error.h"
#include "tasks/plan/levelled_network.h"

namespace narrow {
namespace {

constexpr int kLeastPlannedBits = 3;
constexpr std::uint64_t kMostMeasuredImages = 32;

[[noreturn]] void refuse_best(const std::string& sentence) {
  throw Error(ErrorCategory::kUsage, sentence);
}

bool shares_ranges(const Scheme& scheme) {
  return scheme.granularity.kind == Granularity::Kind::kTensor;
}

bool has_channel_ranges(const Scheme& scheme) {
  return scheme.granularity.kind == Granularity::Kind::kChannel;
}

// The widths that a plan of so many bits on average chooses from.
std::vector<int> widths_around(int bits) {
  std::vector<int> widths;
  for (const int difference : {-2, -1, 0, 1, 2, 4}) {
    const int width = bits + difference;
    if (width >= 2 && width <= 32) widths.push_back(width);
  }
  return widths;
}

AllocationRequest allocation_of(const BestRequest& best) {
  AllocationRequest request;
  request.scheme = best.scheme;
  request.axes = best.axes;
  request.widths = widths_around(best.scheme.bits);
  request.selection = best.selection;
  request.average_bits = best.scheme.bits;
  if (best.methods.images) {
    request.images = best.methods.images->source;
    request.measured_images = std::min(kMostMeasuredImages, best.methods.images->count);
  }
  request.images.image_size = best.methods.image_size;
  return request;
}

// Whether the batch norms of the network tell what its layers see, without images.
bool has_norm_moments(const CheckpointReader& reader, AllocationRequest request) {
  request.images = {.image_size = request.images.image_size};
  return best_damage(reader, request) != DamageKind::kWeight;
}

// Methods that were not asked for, where no batch norms tell what layers see and images do:
// roundings where widths are planned, levelled channels where they share a range.
std::vector<NetworkMethods> methods_to_judge(const BestRequest& request, const BestRecipe& recipe) {
  std::vector<NetworkMethods> all = {recipe.methods};
  if (recipe.widths && !request.has_rounding) {
    all.push_back(all.front());
    all.back().rounding = Rounding::kGptq;
  }
  if (!has_channel_ranges(recipe.scheme) && !recipe.methods.equalize) {
    all.push_back(all.front());
    all.back().equalize = true;
  }
  return all;
}

// Takes the methods that keep the outputs best on images that they did not see, and the levelled
// network only where it does better with the first of them.
void judge(const CheckpointReader& reader, const BestRequest& request, const RunOptions& run,
           BestRecipe& recipe) {
  const std::vector<NetworkMethods> candidates = methods_to_judge(request, recipe);
  if (candidates.size() == 1 && recipe.levelled == nullptr) return;
  const std::vector<double> changes = judge_methods(reader, recipe.plan, candidates, run);
  const auto best = std::ranges::min_element(changes);
  if (recipe.levelled != nullptr) {
    const QuantizePlan plan =
        make_plan(*recipe.levelled, recipe.scheme, request.selection, request.axes);
    const auto levelled = judge_methods(*recipe.levelled, plan, {candidates.front()}, run);
    if (levelled.front() <= *best) return;
    recipe.levelled = nullptr;
  }
  recipe.methods = candidates[static_cast<std::size_t>(best - changes.begin())];
}

QuantizePlan planned_widths(const CheckpointReader& reader, const AllocationRequest& request,
                            const RunOptions& run) {
  std::vector<PlanEntry> entries;
  for (const AllocatedTensor& tensor : plan_budget(reader, request, run).tensors) {
    entries.push_back({tensor.info.name, tensor.info.shape, tensor.scheme});
  }
  return make_plan(entries, reader);
}

std::vector<std::string> missing_sentences(bool has_moments, bool has_images, bool should_level) {
  std::vector<std::string> missing;
  if (!has_moments) {
    missing.emplace_back(
        "no batch norms tell what the layers see (they may be folded): biases are not corrected");
  }
  if (!has_images) {
    missing.emplace_back(
        "images would allow more: with 100, and their preprocessing, the damage of widths and the "
        "means of layers are measured");
  }
  if (should_level) {
    missing.emplace_back(
        "one range for each tensor costs less in the network that is written anew with levelled "
        "channels (convert to onnx, equalize)");
  }
  return missing;
}

}  // namespace

Scheme best_scheme(const PartialScheme& given) noexcept {
  Scheme scheme = given.scheme;
  if (!given.has_kind) scheme.kind = SchemeKind::kSymmetric;
  if (!given.has_granularity) scheme.granularity.kind = Granularity::Kind::kChannel;
  if (!given.has_range) scheme.range.kind = Range::Kind::kMse;
  return scheme;
}

BestRecipe best_recipe(const CheckpointReader& reader, const BestRequest& request,
                       const RunOptions& run) {
  if (reader.location().format != CheckpointFormat::kOnnx) {
    refuse_best("the best recipe is for ONNX files; docs/methods.md has the one for ResNet V1");
  }
  if (request.scheme.kind == SchemeKind::kCodebook) {
    refuse_best(
        "the best recipe rounds to codes that are equally far apart; those of a codebook are not");
  }
  if (request.selection.moving_averages) {
    refuse_best(
        "the methods of the best recipe change the variables of a network, so they do not go with "
        "moving averages");
  }
  AllocationRequest allocation = allocation_of(request);
  const bool has_norms = has_norm_moments(reader, allocation);
  const bool has_images = request.methods.images.has_value();
  // best_damage() without looking at the norms once more.
  allocation.damage = has_images  ? best_damage(reader, allocation)
                      : has_norms ? DamageKind::kOutput
                                  : DamageKind::kWeight;
  // Otherwise nothing is known of what layers see.
  const bool has_moments = has_images || has_norms;
  // With one range scales are absorbed instead.
  const bool is_planned = !request.uniform && request.scheme.bits >= kLeastPlannedBits &&
                          has_channel_ranges(request.scheme);
  LayerPairs pairs;
  if (!has_norms && shares_ranges(request.scheme)) pairs = equalizable_pairs(reader);

  const bool can_level = pairs.clipped > 0 && request.may_level && !request.methods.equalize;
  BestRecipe recipe{request.scheme, request.methods, {}, {}, {}, {}};
  NetworkMethods& methods = recipe.methods;
  if (shares_ranges(request.scheme) && !methods.fold) methods.absorb_channel_scales = true;
  if (pairs.all > 0 && !has_images && !can_level) methods.equalize = true;
  // Where widths are planned the large layers have the fewest bits, and gptq fits them too closely
  // to a few hundred images: flips keep more.
  if (!request.has_rounding) {
    methods.rounding = has_images && !is_planned ? Rounding::kGptq : Rounding::kFlips;
  }
  if (has_moments) methods.bias_correct = true;
  if (is_planned) {
    allocation.bias_correct = methods.bias_correct;
    recipe.widths = allocation;
    recipe.plan = planned_widths(reader, allocation, run);
  } else {
    recipe.plan = make_plan(reader, recipe.scheme, request.selection, request.axes);
  }
  if (can_level) recipe.levelled = levelled_network(reader.location(), run);
  // Where nothing says beforehand which methods are best.
  if (!has_norms && has_images) judge(reader, request, run, recipe);
  if (recipe.levelled != nullptr) {
    recipe.plan = make_plan(*recipe.levelled, recipe.scheme, request.selection, request.axes);
  }
  recipe.missing = missing_sentences(has_moments, has_images, pairs.clipped > 0 && !can_level);
  return recipe;
}

void choose_best_methods(const CheckpointReader& reader, bool has_rounding,
                         AllocationRequest& request, AccuracyOptions* accuracy) {
  const bool sees_images = accuracy != nullptr && accuracy->methods.images;
  if (sees_images || has_norm_moments(reader, request)) request.bias_correct = true;
  const bool is_folded = accuracy != nullptr && accuracy->methods.fold;
  if (shares_ranges(request.scheme) && !is_folded) request.absorb_channel_scales = true;
  if (accuracy == nullptr) return;
  NetworkMethods& methods = accuracy->methods;
  methods.bias_correct = request.bias_correct;
  methods.absorb_channel_scales = request.absorb_channel_scales;
  if (!has_rounding) methods.rounding = Rounding::kFlips;
}

}  // namespace narrow
