// The best known recipe for an ONNX file and so many bits: scheme, methods and the width of every
// tensor, chosen by what is there. docs/methods.md says what is chosen when, docs/results.md why.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "narrow/channel_axes.h"
#include "narrow/checkpoint.h"
#include "narrow/export.h"
#include "narrow/plan.h"
#include "narrow/plan_accuracy.h"
#include "narrow/quantize_network.h"
#include "narrow/quantize_plan.h"
#include "narrow/run_options.h"
#include "narrow/scheme.h"
#include "narrow/scheme_rules.h"
#include "narrow/selection.h"

namespace narrow {

// With what was not given of kind, granularity and range: kSymmetric, a range for each channel,
// kMse.
NARROW_EXPORT Scheme best_scheme(const PartialScheme& given) noexcept;

struct BestRequest {
  Scheme scheme;  // best_scheme; its bits are those of a weight on average
  AxisRules axes = {};
  Selection selection = {};
  // Methods that are wanted anyway, with the images that they may see; others come in addition.
  NetworkMethods methods = {};
  bool has_rounding = false;  // methods.rounding is wanted too, even the nearest codes
  bool uniform = false;       // every tensor gets the bits of `scheme`
  // The result may be another network that computes the same: one with levelled channels.
  bool may_level = false;
};

struct BestRecipe {
  Scheme scheme;  // with widths: but for its bits
  NetworkMethods methods;
  // The widths of `plan` are those that plan_budget gives for this. Absent: all have those of
  // `scheme`.
  std::optional<AllocationRequest> widths;
  QuantizePlan plan;
  // What `plan` and `methods` are for instead of the file, where it may and is to be levelled:
  // what export_network makes of it with NetworkExportOptions::equalize. It lies in a temporary
  // folder, as long as this is held. Null: they are for the file.
  std::shared_ptr<const CheckpointReader> levelled;
  std::vector<std::string> missing;  // what would allow a better result, as sentences

  // What is to be quantized of a file that was opened as `file`.
  [[nodiscard]] const CheckpointReader& source(const CheckpointReader& file) const noexcept {
    return levelled != nullptr ? *levelled : file;
  }
};

// What to tell quantize_network. Widths are planned for more than 2 bits and ranges of channels.
// Where batch norms do not tell what layers see and images do, methods are judged (judge_methods);
// so is the levelled network where a Clip keeps layers that share ranges from being levelled as
// they are, which without images is always taken.
// Every number of threads gives the same recipe. Progress is that of plan_budget, then that of
// judge_methods. Throws Error: kUsage for what is no ONNX file and for codebooks; what plan_budget,
// make_plan and judge_methods throw; kInterrupted.
NARROW_EXPORT BestRecipe best_recipe(const CheckpointReader& reader, const BestRequest& request,
                                     const RunOptions& run = {});

// The same for plan_budget and plan_accuracy, whose widths are asked for: methods that go with
// request.scheme, of the damage, and, unless `accuracy` is null, of the networks that are
// evaluated; has_rounding as in BestRequest.
NARROW_EXPORT void choose_best_methods(const CheckpointReader& reader, bool has_rounding,
                                       AllocationRequest& request, AccuracyOptions* accuracy);

}  // namespace narrow
