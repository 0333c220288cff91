// Plans and accuracy: the fewest bits that lose no more than so much of it on labelled images, and
// what any plan gives in accuracy, on images that nothing of it was chosen with.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "narrow/evaluate.h"
#include "narrow/export.h"
#include "narrow/image_source.h"
#include "narrow/plan.h"
#include "narrow/quantize_network.h"
#include "narrow/run_options.h"

namespace narrow {

// What top-1 accuracy is to be, in percent of the images; at most one of the two.
struct AccuracyGoal {
  std::optional<double> max_drop = {};  // points below that of the float network
  std::optional<double> min_accuracy = {};

  [[nodiscard]] bool is_set() const { return max_drop || min_accuracy; }
};

struct AccuracyOptions {
  AccuracyGoal goal = {};       // none: the plan is that of the request's budget
  ImageSource images = {};      // with labels
  NetworkMethods methods = {};  // that the networks are quantized with, as quantize_network does
  // Of the search: at most so many, spread evenly, and at most half of those there are. They also
  // take in the images that the damage is measured on and that methods see.
  std::uint64_t search_images = 1000;
  // Of the verification: so many of the others, spread evenly. 0: all of them.
  std::uint64_t verify_images = 0;
  // Of the search: so many standard errors of the drop, or of the accuracy, have to be within the
  // goal besides. 0 takes the images as they are.
  double margin = 1;
  int most_trials = 20;  // networks that the search evaluates, besides the float one
};

// A quantized network on images, compared with the float one on the same ones.
struct PlanScore {
  std::optional<int> single_bits;  // the width of every tensor; none: widths of a plan
  std::uint64_t bytes = 0;         // as BitAllocation::bytes
  double average_bits = 0;
  double damage = 0;
  HitRate accuracy;
  PairedComparison comparison;  // the float network is the first
  // What is lost of the accuracy when the probabilities of the float network are right, which has
  // less noise than labels: the mean of that of its class less that of the other's class, which is
  // taken as 0 beyond the first kRankedClasses.
  double expected_drop = 0;
};

struct PlanTrial : PlanScore {
  // Keeps the goal on the images of the search, by their labels and by expected_drop.
  bool holds = false;
};

// Accuracy on the images that neither the damage, methods nor the search saw.
struct PlanVerification {
  EvaluatedImages images;
  HitRate float_accuracy;
  PlanScore plan;
  // Single widths: the widest that takes no more than the plan and the narrowest that takes more,
  // as far as the request has them, by rising size.
  std::vector<PlanScore> singles;
  std::vector<PairedComparison> plan_to_singles;  // the single width is the first
  bool holds = true;                              // the goal, if there is one
};

// How a plan was found and what it gives.
struct PlanAccuracy {
  AccuracyGoal goal;
  // With a goal; otherwise the rest is empty.
  std::uint64_t search_images = 0;
  HitRate search_float;
  std::vector<PlanTrial> trials;            // in the order in which they were evaluated
  std::size_t taken = 0;                    // of these the plan
  std::optional<std::size_t> least_single;  // of these the least single width that holds

  PlanVerification verification;
};

struct AccuracyPlan {
  BitAllocation plan;
  PlanAccuracy accuracy;
};

// Without a goal: the plan of plan_budget. With one: the smallest plan found that keeps the goal on
// the images of the search, by their labels and by what the float network expects of them. Plans
// are those of least damage within a size, tensors may stay as they are
// (AllocationRequest::may_stay_float), and a single width that keeps the goal is never smaller.
// Sizes are tried from that of the least such width down, and then halfway between the largest that
// failed and the smallest that held (docs/budgets.md). Either way the plan is verified on images
// that nothing was chosen with.
// The request's budget stays empty with a goal. Every number of threads gives the same plan; logits
// depend on the instruction set, as with evaluate_checkpoints. Progress is that of plan_budget and
// then in images. Where other processes make the result (base/exchange.h) it is empty.
// Throws Error: what plan_budget, evaluate_checkpoints and quantize_network throw; kUsage for
// images without labels, fewer than 4 of them or none left for the verification, a goal out of
// range or above what the float network gives.
NARROW_EXPORT AccuracyPlan plan_accuracy(const CheckpointReader& reader,
                                         const AllocationRequest& request,
                                         const AccuracyOptions& options,
                                         const RunOptions& run = {});

// A plan file with the member "accuracy".
NARROW_EXPORT std::string plan_file_text(const AccuracyPlan& plan);

}  // namespace narrow
