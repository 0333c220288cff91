#include "narrow/selection.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_set>
#include <utility>

#include "base/name_pattern.h"
#include "narrow/error.h"
#include "stream/selection/quantized_weights.h"
#include "stream/selection/state_names.h"
#include "stream/selection/tensor_names.h"

namespace narrow {
namespace {

struct ReasonWords {
  CopyReason reason;
  std::string_view word;  // for programs
  std::string_view one;
  std::string_view several;
};

constexpr std::array kReasonWords = std::to_array<ReasonWords>({
    {CopyReason::kOptimizerSlot, "optimizer_slot", "optimizer slot", "optimizer slots"},
    {CopyReason::kMovingStatistic, "moving_statistic", "moving statistic", "moving statistics"},
    {CopyReason::kMovingAverage, "moving_average", "moving average", "moving averages"},
    {CopyReason::kCounter, "counter", "counter", "counters"},
    {CopyReason::kHyperparameter, "hyperparameter", "hyperparameter", "hyperparameters"},
    {CopyReason::kLossScale, "loss_scale", "loss scale", "loss scales"},
    {CopyReason::kBookkeeping, "bookkeeping", "bookkeeping entry", "bookkeeping entries"},
    {CopyReason::kAveragedVariable, "averaged_variable", "variable beside the averages",
     "variables beside the averages"},
    {CopyReason::kScale, "scale", "scale of quantized weights", "scales of quantized weights"},
    {CopyReason::kFloat8, "float8", "of float8 without a scale that fits",
     "of float8 without a scale that fits"},
    {CopyReason::kType, "type", "not of floating point", "not of floating point"},
    {CopyReason::kNotWeight, "not_weight", "other tensor of the network",
     "other tensors of the network"},
    {CopyReason::kExcluded, "excluded", "excluded by pattern", "excluded by pattern"},
    {CopyReason::kNotIncluded, "not_included", "not included by any pattern",
     "not included by any pattern"},
    {CopyReason::kNotPlanned, "not_planned", "not in the plan", "not in the plan"},
    {CopyReason::kNonFinite, "non_finite", "with NaN or infinite values",
     "with NaN or infinite values"},
});

const ReasonWords* words_of(CopyReason reason) {
  const auto* const found = std::ranges::find(kReasonWords, reason, &ReasonWords::reason);
  return found == kReasonWords.end() ? nullptr : found;
}

// A tensor as the rules and patterns see it.
struct Subject {
  const TensorInfo* tensor = nullptr;
  std::optional<NamedState> state;
  CopyReason nature = CopyReason::kNone;  // why it cannot be selected, or only by its mark
  // The name of the variable of which it is the average, where that is what patterns select.
  std::string variable;

  [[nodiscard]] bool matches(const std::string& pattern) const {
    return name_matches(pattern, tensor->name) ||
           (!variable.empty() && name_matches(pattern, variable));
  }

  // Whether `pattern`, which it matches, may select it.
  [[nodiscard]] bool may_include(const std::string& pattern) const {
    if (nature == CopyReason::kNone || nature == CopyReason::kNotWeight) return true;
    if (!state || !is_floating_point(tensor->dtype)) return false;
    return state->holds_names
               ? has_part(pattern, state->mark)
               : last_part(pattern) == last_part(tensor->name) || has_part(pattern, state->mark);
  }

  // Whether `pattern`, which it matches, means it and not only many at once.
  [[nodiscard]] bool is_spelled_out(const std::string& pattern) const {
    if (nature != CopyReason::kNotWeight) return may_include(pattern);
    return last_part(pattern) == last_part(tensor->name);
  }
};

// What the tensor itself says against being quantized.
CopyReason nature_of(const TensorInfo& tensor, const std::optional<NamedState>& state,
                     const TensorNames& names) {
  if (state) return state->kind;
  if (tensor.use != TensorUse::kWeight && is_scale_of_codes(tensor, names)) {
    return CopyReason::kScale;
  }
  if (is_float8(tensor.dtype)) return CopyReason::kFloat8;
  if (!is_floating_point(tensor.dtype)) return CopyReason::kType;
  return tensor.use == TensorUse::kOther ? CopyReason::kNotWeight : CopyReason::kNone;
}

std::vector<Subject> subjects_of(const std::vector<TensorInfo>& tensors) {
  const TensorNames names(tensors);
  std::vector<Subject> subjects;
  subjects.reserve(tensors.size());
  for (const TensorInfo& tensor : tensors) {
    Subject& subject = subjects.emplace_back();
    subject.tensor = &tensor;
    // Where a network tells what a tensor is for, its name says nothing.
    if (tensor.use == TensorUse::kUnknown) subject.state = named_state(tensor, names);
    subject.nature = nature_of(tensor, subject.state, names);
  }
  return subjects;
}

// Averages take the place of their variables; a variable without one is its only copy and stays.
void prefer_averages(std::vector<Subject>& subjects) {
  std::unordered_set<std::string> averaged;
  for (Subject& subject : subjects) {
    const bool is_average = subject.nature == CopyReason::kMovingAverage &&
                            !subject.state->variable.empty() &&
                            is_floating_point(subject.tensor->dtype);
    if (!is_average) continue;
    subject.nature = CopyReason::kNone;
    subject.variable = std::move(subject.state->variable);
    averaged.insert(subject.variable);
  }
  for (Subject& subject : subjects) {
    const bool is_variable = subject.nature == CopyReason::kNone && subject.variable.empty();
    if (is_variable && averaged.contains(subject.tensor->name)) {
      subject.nature = CopyReason::kAveragedVariable;
    }
  }
  if (!averaged.empty()) return;
  throw Error(ErrorCategory::kUsage,
              fmt::format("moving_averages: none of the {} tensors is the moving average of a "
                          "variable (NAME/ExponentialMovingAverage, ema.NAME)",
                          subjects.size()),
              {Remedy::Kind::kInspect});
}

void require_match(const std::vector<Subject>& subjects, const std::string& pattern,
                   const char* action) {
  const auto hit = [&](const Subject& subject) { return subject.matches(pattern); };
  if (std::ranges::any_of(subjects, hit)) return;
  throw Error(ErrorCategory::kNotFound,
              fmt::format("the pattern to {} '{}' matches none of the {} tensors", action, pattern,
                          subjects.size()),
              {Remedy::Kind::kInspect});
}

void include_matches(const std::vector<Subject>& subjects, const std::string& pattern,
                     std::vector<CopyReason>& reasons) {
  require_match(subjects, pattern, "include");
  bool any = false;
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    if (!subjects[i].matches(pattern) || !subjects[i].may_include(pattern)) continue;
    reasons[i] = CopyReason::kNone;
    any = true;
  }
  if (any) return;
  CopyCounts counts;
  for (const Subject& subject : subjects) {
    if (subject.matches(pattern)) ++counts[subject.nature];
  }
  throw Error(
      ErrorCategory::kUsage,
      fmt::format(
          "the pattern to include '{}' matches only tensors that are not quantized: {}; of these "
          "a pattern selects training state that it names by its last part (for "
          "example '*/moving_mean')",
          pattern, describe(counts)));
}

void add_spelled_out(const std::vector<Subject>& subjects, const std::vector<std::string>& patterns,
                     std::vector<CopyReason>& reasons) {
  for (const std::string& pattern : patterns) {
    for (std::size_t i = 0; i < subjects.size(); ++i) {
      if (reasons[i] == CopyReason::kNone || !subjects[i].matches(pattern)) continue;
      if (subjects[i].is_spelled_out(pattern)) reasons[i] = CopyReason::kNone;
    }
  }
}

}  // namespace

std::string_view to_string(CopyReason reason) noexcept {
  const ReasonWords* const words = words_of(reason);
  return words == nullptr ? "" : words->word;
}

std::string describe(const CopyCounts& counts) {
  std::vector<std::pair<CopyReason, std::uint64_t>> sorted(counts.begin(), counts.end());
  std::ranges::stable_sort(sorted, std::ranges::greater{},
                           [](const auto& one) { return one.second; });
  std::string text;
  for (const auto& [reason, count] : sorted) {
    const ReasonWords* const words = words_of(reason);
    if (words == nullptr) continue;
    if (!text.empty()) text += ", ";
    text += fmt::format("{} {}", count, count == 1 ? words->one : words->several);
  }
  return text;
}

bool is_training_state(std::string_view name) {
  const TensorInfo tensor{std::string(name), DType::kFloat32, {}};
  return named_state(tensor, TensorNames({})).has_value();
}

std::vector<CopyReason> copy_reasons(const std::vector<TensorInfo>& tensors,
                                     const Selection& selection) {
  std::vector<Subject> subjects = subjects_of(tensors);
  if (selection.moving_averages) prefer_averages(subjects);
  std::vector<CopyReason> reasons;
  for (const Subject& subject : subjects) {
    const bool waits = subject.nature == CopyReason::kNone && !selection.include.empty();
    reasons.push_back(waits ? CopyReason::kNotIncluded : subject.nature);
  }
  for (const std::string& pattern : selection.include) include_matches(subjects, pattern, reasons);
  if (selection.include.empty()) add_spelled_out(subjects, selection.rules, reasons);
  for (const std::string& pattern : selection.exclude) {
    require_match(subjects, pattern, "exclude");
    for (std::size_t i = 0; i < subjects.size(); ++i) {
      if (reasons[i] == CopyReason::kNone && subjects[i].matches(pattern)) {
        reasons[i] = CopyReason::kExcluded;
      }
    }
  }
  return reasons;
}

std::vector<bool> select_tensors(const std::vector<TensorInfo>& tensors,
                                 const Selection& selection) {
  std::vector<bool> selected;
  for (const CopyReason reason : copy_reasons(tensors, selection)) {
    selected.push_back(reason == CopyReason::kNone);
  }
  return selected;
}

std::vector<std::string> variable_names(const std::vector<TensorInfo>& tensors,
                                        const Selection& selection) {
  std::vector<std::string> names(tensors.size());
  if (!selection.moving_averages) return names;
  std::vector<Subject> subjects = subjects_of(tensors);
  prefer_averages(subjects);
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = std::move(subjects[i].variable);
  return names;
}

std::vector<CopyReason> natural_copy_reasons(const std::vector<TensorInfo>& tensors) {
  std::vector<CopyReason> reasons;
  for (const Subject& subject : subjects_of(tensors)) {
    const bool tells = subject.nature != CopyReason::kNone;
    reasons.push_back(tells ? subject.nature : CopyReason::kNotPlanned);
  }
  return reasons;
}

CopyCounts count_reasons(const std::vector<CopyReason>& reasons) {
  CopyCounts counts;
  for (const CopyReason reason : reasons) {
    if (reason != CopyReason::kNone) ++counts[reason];
  }
  return counts;
}

}  // namespace narrow
