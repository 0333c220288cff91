#include "narrow/plan_accuracy.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <span>
#include <utility>

#include "base/exchange.h"
#include "narrow/error.h"
#include "tasks/evaluation/evaluation_metrics.h"
#include "tasks/plan/allocation_problem.h"
#include "tasks/plan/plan_networks.h"
#include "tasks/plan/size_search.h"

namespace narrow {
namespace {

constexpr double kPercent = 100;
// Of a bit a weight: sizes that are closer are taken for one.
constexpr std::uint64_t kResolutionParts = 16;

void check_search(const AccuracyOptions& options) {
  const AccuracyGoal& goal = options.goal;
  const double margin = options.margin;
  if (!(margin >= 0) || !std::isfinite(margin)) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("a margin of {} standard errors: expected a number from 0 on", margin));
  }
  if (options.most_trials < 1) {
    throw Error(
        ErrorCategory::kUsage,
        fmt::format("the most trials are {}; there must be at least 1", options.most_trials));
  }
  if (goal.max_drop && goal.min_accuracy) {
    throw Error(ErrorCategory::kUsage, "the goal of a plan is a drop or an accuracy, not both");
  }
  const double percent = goal.max_drop.value_or(goal.min_accuracy.value_or(0));
  if (percent >= 0 && percent <= kPercent) return;
  throw Error(ErrorCategory::kUsage,
              fmt::format("{} of {}: expected 0 to 100 percent",
                          goal.max_drop ? "a drop" : "an accuracy", percent));
}

// Of what a goal is about, as a part of the images: of a difference of paired hits, the lost and
// won ones being independent counts, or of a rate.
double standard_error(const AccuracyGoal& goal, const HitRate& found,
                      const PairedComparison& comparison) {
  const auto images = static_cast<double>(found.images);
  if (goal.min_accuracy) return std::sqrt(found.value() * (1 - found.value()) / images);
  const auto changed = static_cast<double>(comparison.only_first_correct) +
                       static_cast<double>(comparison.only_other_correct);
  const double variance = changed / images - comparison.difference * comparison.difference;
  return std::sqrt(std::max(variance, 0.0) / images);
}

// In images, so that nothing is rounded but the goal itself; `margin` is a part of them.
bool keeps_goal(const AccuracyGoal& goal, const HitRate& of_float, const HitRate& found,
                double margin = 0) {
  constexpr double kRounding = 1e-9;
  const auto images = static_cast<double>(found.images);
  const double hits = static_cast<double>(found.hits) - margin * images;
  if (goal.min_accuracy) return hits >= *goal.min_accuracy / kPercent * images - kRounding;
  if (!goal.max_drop) return true;
  const double lost = static_cast<double>(of_float.hits) - hits;
  return lost <= *goal.max_drop / kPercent * images + kRounding;
}

double expected_drop(std::span<const Prediction> of_float, std::span<const Prediction> found) {
  double sum = 0;
  for (std::size_t i = 0; i < of_float.size(); ++i) {
    const Prediction& exact = of_float[i];
    for (int rank = 0; rank < exact.ranked; ++rank) {
      const auto place = static_cast<std::size_t>(rank);
      if (exact.classes.at(place) == exact.argmax) sum += exact.probabilities.at(place);
      if (exact.classes.at(place) == found[i].argmax) sum -= exact.probabilities.at(place);
    }
  }
  return sum / static_cast<double>(of_float.size());
}

// The same for what is expected to be lost.
bool expects_goal(const AccuracyGoal& goal, const HitRate& of_float, const PlanScore& score) {
  constexpr double kRounding = 1e-9;
  const double allowed =
      goal.max_drop ? *goal.max_drop / kPercent : of_float.value() - *goal.min_accuracy / kPercent;
  return score.expected_drop <= allowed + kRounding;
}

// The allocation of a choice, without what only the chosen one needs.
BitAllocation allocation_of(const CheckpointReader& reader, const AllocationProblem& problem,
                            const AllocationRequest& request, const BitAllocation& empty,
                            const WidthChoice& choice) {
  BitAllocation plan = empty;
  take_choice(reader, problem, request, choice, plan);
  return plan;
}

PlanScore score_of(const BitAllocation& plan, std::optional<int> single_bits,
                   const Evaluation& of_float, const Evaluation& found) {
  PlanScore score;
  score.single_bits = single_bits;
  score.bytes = plan.bytes();
  score.average_bits = plan.average_bits();
  score.damage = plan.damage;
  score.accuracy = found.accuracy;
  score.comparison = compare_predictions(of_float.predictions, found.predictions);
  score.expected_drop = expected_drop(of_float.predictions, found.predictions);
  return score;
}

// Looks for the smallest plan that keeps the goal on some images.
class GoalSearch {
 public:
  GoalSearch(const CheckpointReader& reader, const AllocationProblem& problem,
             const AllocationRequest& request, const AccuracyOptions& options,
             const BitAllocation& empty, const PlanNetworks& networks,
             const ImagePositions& positions, PlanAccuracy& result)
      : reader_(reader),
        problem_(problem),
        request_(request),
        options_(options),
        empty_(empty),
        networks_(networks),
        positions_(positions),
        result_(result) {
    for (const int bits : request.widths) singles_.push_back(single_width(problem, bits));
  }

  // The choice; throws Error(kUsage) when nothing keeps the goal.
  WidthChoice run() {
    evaluate_float();
    const std::optional<std::size_t> single = least_single();
    if (single) result_.least_single = trials_.at(singles_[*single]);
    const std::uint64_t elements = empty_.elements + empty_.activation_elements;
    const std::uint64_t bit = std::max<std::uint64_t>(elements / 8, 1);
    SizeSearch search;
    search.least = smallest_size(problem_.items);
    search.most = size_of(problem_.items, widest());
    search.start = size_of(problem_.items, single ? singles_[*single] : singles_.back());
    search.step = bit;
    search.resolution = std::max<std::uint64_t>(bit / kResolutionParts, 1);
    search.most_trials = trials_left();
    least_passing_size(search, [&](std::uint64_t size) {
      const KnapsackSolution best = solve_knapsack(problem_.items, size, singles_);
      // Of the single width there it is known that it holds, whatever the plan does.
      if (attempt(best.choice, std::nullopt)) return SizeTrial{true, best.size};
      return SizeTrial{single && size == search.start, size};
    });
    return take_smallest();
  }

 private:
  void evaluate_float() {
    const BitAllocation* const none = nullptr;
    float_ = networks_.predict({&none, 1}, positions_).front();
    result_.search_images = positions_.size();
    result_.search_float = float_.accuracy;
    if (keeps_goal(result_.goal, float_.accuracy, float_.accuracy)) return;
    throw Error(ErrorCategory::kUsage,
                fmt::format("an accuracy of {} % is out of reach: the network itself has {:.2f} % "
                            "on the {} images of the search",
                            *result_.goal.min_accuracy, kPercent * float_.accuracy.value(),
                            positions_.size()));
  }

  // Whether the choice keeps the goal.
  bool attempt(const WidthChoice& choice, std::optional<int> single_bits) {
    const auto known = trials_.find(choice);
    if (known != trials_.end()) return result_.trials[known->second].holds;
    const BitAllocation plan = allocation_of(reader_, problem_, request_, empty_, choice);
    const BitAllocation* const one = &plan;
    const Evaluation found = networks_.predict({&one, 1}, positions_).front();
    trials_.emplace(choice, result_.trials.size());
    PlanTrial trial{score_of(plan, single_bits, float_, found)};
    const double margin =
        options_.margin * standard_error(result_.goal, found.accuracy, trial.comparison);
    trial.holds = keeps_goal(result_.goal, float_.accuracy, found.accuracy, margin) &&
                  expects_goal(result_.goal, float_.accuracy, trial);
    result_.trials.push_back(trial);
    return result_.trials.back().holds;
  }

  [[nodiscard]] int trials_left() const {
    return options_.most_trials - static_cast<int>(trials_.size());
  }

  // By halving the list of widths, as far as trials allow.
  std::optional<std::size_t> least_single() {
    std::size_t first = 0;
    std::size_t end = singles_.size();
    while (first < end && trials_left() > 0) {
      const std::size_t middle = first + (end - first) / 2;
      if (attempt(singles_[middle], request_.widths[middle])) {
        end = middle;
      } else {
        first = middle + 1;
      }
    }
    if (end == singles_.size()) return std::nullopt;
    return end;
  }

  // The last option of every group.
  [[nodiscard]] WidthChoice widest() const {
    WidthChoice choice;
    for (const KnapsackItem& item : problem_.items) choice.push_back(item.size() - 1);
    return choice;
  }

  // Of the trials that hold.
  WidthChoice take_smallest() {
    const WidthChoice* smallest = nullptr;
    for (const auto& [choice, trial] : trials_) {
      const PlanTrial& here = result_.trials[trial];
      const PlanTrial& best = result_.trials[result_.taken];
      if (!here.holds) continue;
      const bool is_smaller =
          std::pair(here.bytes, here.damage) < std::pair(best.bytes, best.damage);
      if (smallest != nullptr && !is_smaller) continue;
      smallest = &choice;
      result_.taken = trial;
    }
    if (smallest != nullptr) return *smallest;
    const auto best = std::ranges::max_element(
        result_.trials, {}, [](const PlanTrial& trial) { return trial.accuracy.hits; });
    throw Error(
        ErrorCategory::kUsage,
        fmt::format("none of {} plans keeps the goal: the best, of {:.2f} bits a weight, "
                    "has {:.2f} % where the network has {:.2f} % on {} images; allow more "
                    "bits or a greater drop",
                    result_.trials.size(), best->average_bits, kPercent * best->accuracy.value(),
                    kPercent * float_.accuracy.value(), positions_.size()));
  }

  const CheckpointReader& reader_;
  const AllocationProblem& problem_;
  const AllocationRequest& request_;
  const AccuracyOptions& options_;
  const BitAllocation& empty_;
  const PlanNetworks& networks_;
  const ImagePositions& positions_;
  PlanAccuracy& result_;
  Evaluation float_;
  std::vector<WidthChoice> singles_;           // one a width of the request
  std::map<WidthChoice, std::size_t> trials_;  // by choice, in result_.trials
};

// The places of the widest single width of at most this size and of the next one.
std::vector<std::size_t> neighbours(const std::vector<std::uint64_t>& sizes, std::uint64_t size) {
  std::optional<std::size_t> below;
  std::optional<std::size_t> above;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] <= size) {
      if (!below || sizes[i] >= sizes[*below]) below = i;
    } else if (!above || sizes[i] < sizes[*above]) {
      above = i;
    }
  }
  std::vector<std::size_t> places;
  if (below) places.push_back(*below);
  if (above) places.push_back(*above);
  return places;
}

PlanVerification verify(const CheckpointReader& reader, const AllocationProblem& problem,
                        const AllocationRequest& request, const BitAllocation& empty,
                        const BitAllocation& plan, const AccuracyGoal& goal,
                        const PlanNetworks& networks, const ImagePositions& positions) {
  std::vector<WidthChoice> singles;
  std::vector<std::uint64_t> sizes;
  for (const int bits : request.widths) {
    singles.push_back(single_width(problem, bits));
    sizes.push_back(size_of(problem.items, singles.back()));
  }
  const std::vector<std::size_t> places =
      neighbours(sizes, plan.quantized_bytes + plan.activation_bytes());
  std::vector<BitAllocation> allocations;
  for (const std::size_t place : places) {
    allocations.push_back(allocation_of(reader, problem, request, empty, singles[place]));
  }
  std::vector<const BitAllocation*> all = {nullptr, &plan};
  for (const BitAllocation& single : allocations) all.push_back(&single);
  const std::vector<Evaluation> found = networks.predict(all, positions);
  PlanVerification result;
  result.images = networks.images();
  result.images.images = positions.size();
  result.float_accuracy = found[0].accuracy;
  result.plan = score_of(plan, std::nullopt, found[0], found[1]);
  result.holds = keeps_goal(goal, found[0].accuracy, found[1].accuracy);
  for (std::size_t i = 0; i < places.size(); ++i) {
    const Evaluation& single = found[i + 2];
    result.singles.push_back(score_of(allocations[i], request.widths[places[i]], found[0], single));
    result.plan_to_singles.push_back(compare_predictions(single.predictions, found[1].predictions));
  }
  return result;
}

}  // namespace

AccuracyPlan plan_accuracy(const CheckpointReader& reader, const AllocationRequest& asked,
                           const AccuracyOptions& options, const RunOptions& run) {
  check_search(options);
  AllocationRequest request = asked;
  const bool has_budget = asked.budget_bytes || asked.average_bits;
  if (options.goal.is_set() == has_budget) {
    throw Error(ErrorCategory::kUsage, "a plan is made for a budget or for a goal");
  }
  request.may_stay_float = asked.may_stay_float || options.goal.is_set();
  const PlanNetworks networks(reader, request, options, run);
  const ImageParts parts = image_parts(networks.size(), request, options);
  const AllocationProblem problem = pose_allocation(reader, request, run);
  AccuracyPlan result;
  if (!exchange().makes_result()) return result;
  const BitAllocation empty = empty_allocation(reader, problem, request);
  result.accuracy.goal = options.goal;
  if (options.goal.is_set()) {
    const WidthChoice choice = GoalSearch(reader, problem, request, options, empty, networks,
                                          parts.search, result.accuracy)
                                   .run();
    request.budget_bytes =
        size_of(problem.items, choice) + (empty.quantized_only ? 0 : empty.copied_bytes);
    result.plan = allocate(reader, problem, request, empty, &choice);
  } else {
    result.plan = allocate(reader, problem, request, empty);
  }
  result.accuracy.verification = verify(reader, problem, request, empty, result.plan, options.goal,
                                        networks, parts.verification);
  return result;
}

}  // namespace narrow
