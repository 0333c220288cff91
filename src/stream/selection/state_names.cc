#include "stream/selection/state_names.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "stream/selection/name_parts.h"
#include "stream/selection/state_names_table.h"

namespace narrow {
namespace {

constexpr std::string_view kAttributes = "/.ATTRIBUTES/";

bool contains(std::span<const std::string_view> words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

bool is_optimizer(std::string_view part) {
  static const std::unordered_set<std::string_view> kNames(kOptimizers.begin(), kOptimizers.end());
  part = without_number(part);
  std::array<char, 32> lower{};
  if (part.size() > lower.size()) return false;
  std::ranges::transform(part, lower.begin(), [](char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  });
  std::string_view word(lower.data(), part.size());
  constexpr std::string_view kSuffix = "optimizer";
  if (word.size() > kSuffix.size() && word.ends_with(kSuffix)) word.remove_suffix(kSuffix.size());
  return kNames.contains(word);
}

bool is_ftrl(std::string_view part) {
  return part.starts_with("Ftrl") || part.starts_with("ftrl") || part.starts_with("FTRL");
}

// The position in kPartRules of the rule for a part, or a number beyond.
std::size_t rule_of(std::string_view part) {
  // "generator_optimizer", "optimizer_g": as people call them when there are several.
  if (part.ends_with("_optimizer") || part.starts_with("optimizer_")) part = "optimizer";
  static const auto kByPart = [] {
    std::unordered_map<std::string_view, std::size_t> rules;
    for (std::size_t i = 0; i < kPartRules.size(); ++i) rules.emplace(kPartRules[i].part, i);
    return rules;
  }();
  const auto found = kByPart.find(part);
  return found == kByPart.end() ? kPartRules.size() : found->second;
}

bool is_lone(const TensorInfo& tensor) {
  return std::ranges::all_of(tensor.shape, [](std::int64_t size) { return size == 1; });
}

// Looks at one tensor.
class Classifier {
 public:
  // `is_variable`: the tensor is one of which another is the average.
  Classifier(const TensorInfo& tensor, const TensorNames& others, bool is_variable = false)
      : tensor_(tensor), others_(others), is_variable_(is_variable), parts_(tensor.name) {}

  std::optional<NamedState> classify() const {
    if (parts_.empty()) return std::nullopt;
    if (auto state = iterator_state()) return state;
    if (auto state = of_parts()) return state;
    if (auto state = of_optimizer_scope()) return state;
    if (auto state = of_keras_optimizer()) return state;
    if (auto state = of_keras_normalization()) return state;
    if (is_torch_step()) return NamedState{CopyReason::kCounter, parts_.last(), false};
    return of_last_part();
  }

 private:
  static bool is_holder(const PartRule& rule) {
    return rule.place == PartPlace::kHolder || rule.place == PartPlace::kRoot;
  }

  // "iterator/.ATTRIBUTES/ITERATOR_STATE": objects of other kinds than variables.
  std::optional<NamedState> iterator_state() const {
    const std::string_view name = tensor_.name;
    const auto at = name.rfind(kAttributes);
    if (at == std::string_view::npos || name.ends_with(kObjectSuffix)) return std::nullopt;
    return NamedState{CopyReason::kBookkeeping, name.substr(at + kAttributes.size()), false};
  }

  // By the first rule that a part fulfils.
  std::optional<NamedState> of_parts() const {
    std::size_t first = kPartRules.size();
    std::size_t at = 0;
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      for (const std::string_view part : {parts_[i], without_number(parts_[i])}) {
        const std::size_t rule = rule_of(part);
        if (rule >= first || !holds(kPartRules[rule], i)) continue;
        const PartPlace place = kPartRules[rule].place;
        const bool may_have_number = place == PartPlace::kAnywhere || place == PartPlace::kLast;
        if (part != parts_[i] && !may_have_number) continue;
        first = rule;
        at = i;
      }
    }
    if (first == kPartRules.size()) return std::nullopt;
    const PartRule& rule = kPartRules[first];
    return refined({rule.kind, parts_[at], is_holder(rule)}, at);
  }

  // Whether part i, which the rule is about, stands where it must.
  [[nodiscard]] bool holds(const PartRule& rule, std::size_t i) const {
    const bool is_last = parts_.is_last(i);
    switch (rule.place) {
      case PartPlace::kAnywhere:
        return true;
      case PartPlace::kHolder:
        // Of a model, saved as a part of its optimizer.
        return !is_last && parts_[i + 1] != "_trainable_variables";
      case PartPlace::kRoot:
        return !is_last && (i == 0 || others_.find(parts_.without(i)) != nullptr);
      case PartPlace::kLast:
        return is_last;
      case PartPlace::kLoneLast:
        return is_last && is_lone(tensor_);
      case PartPlace::kWhole:
        return parts_.size() == 1 && is_lone(tensor_);
    }
    return false;
  }

  // What a rule found at part i, looked at more closely.
  [[nodiscard]] NamedState refined(NamedState state, std::size_t i) const {
    if (state.kind == CopyReason::kMovingAverage) return average(std::move(state), i);
    if (state.kind == CopyReason::kOptimizerSlot && state.holds_names) {
      state.kind = kind_in_optimizer(i);
      // Of an average as an optimizer keeps it, the variable's name stands before.
      if (state.kind == CopyReason::kMovingAverage) {
        const auto cut = tensor_.name.find("/.OPTIMIZER_SLOT/");
        state.variable = tensor_.name.substr(0, cut) + std::string(parts_.ending());
        return of_variable(std::move(state));
      }
    }
    return state;
  }

  [[nodiscard]] CopyReason kind_in_optimizer(std::size_t i) const {
    const std::string_view last = parts_.last();
    const bool is_slot = parts_[i] == "OPTIMIZER_SLOT";
    if (is_slot && last == "average") return CopyReason::kMovingAverage;
    if (is_slot) return CopyReason::kOptimizerSlot;
    if (contains(kCounters, last)) return CopyReason::kCounter;
    const bool is_own = parts_.is_last(i + 1);
    if (contains(kHyperparameters, last) || (is_own && last == "momentum" && is_lone(tensor_))) {
      return CopyReason::kHyperparameter;
    }
    return CopyReason::kOptimizerSlot;
  }

  // The average of what is training state is of that kind.
  [[nodiscard]] NamedState average(NamedState state, std::size_t i) const {
    if (!state.holds_names && !parts_.is_last(i)) return state;
    state.variable = parts_.without(i);
    return of_variable(std::move(state));
  }

  [[nodiscard]] NamedState of_variable(NamedState state) const {
    if (is_variable_) return state;
    const TensorInfo variable{state.variable, tensor_.dtype, tensor_.shape};
    const auto inner = Classifier(variable, others_, true).classify();
    const bool is_lone_number =
        state.holds_names && is_lone(tensor_) &&
        (contains(kCounters, state.variable) || contains(kHyperparameters, state.variable));
    if (inner.has_value()) state.kind = inner->kind;
    if (inner.has_value() || is_lone_number) state.variable.clear();
    return state;
  }

  // "Adam/m/dense/kernel", "training/Adam/dense/kernel/m", "Adam/iterations".
  std::optional<NamedState> of_optimizer_scope() const {
    for (std::size_t i = 0; i + 1 < parts_.size(); ++i) {
      // A scope "momentum" may be a network's (momentum contrast).
      if (!is_optimizer(parts_[i]) || parts_[i] == "momentum") continue;
      const std::string_view last = without_number(parts_.last());
      const NamedState state{CopyReason::kOptimizerSlot, parts_[i], true};
      // FTRL's slot has the name of a layer.
      const auto is_slot = [&](std::string_view part) {
        return contains(kSlots, part) && (part != "linear" || is_ftrl(parts_[i]));
      };
      if (is_slot(parts_[i + 1]) || is_slot(last)) return state;
      if (!parts_.is_last(i + 1)) continue;
      if (contains(kCounters, parts_.last())) {
        return NamedState{CopyReason::kCounter, parts_[i], true};
      }
      if (contains(kHyperparameters, parts_.last())) {
        return NamedState{CopyReason::kHyperparameter, parts_[i], true};
      }
    }
    return std::nullopt;
  }

  // An object with a number of steps is an optimizer: "opt/_variables/3", "opt/beta_1" beside
  // "opt/_iterations", "opt/iter".
  std::optional<NamedState> of_keras_optimizer() const {
    const std::size_t last = parts_.size() - 1;
    const bool is_lone_number =
        contains(kCounters, parts_[last]) || contains(kHyperparameters, parts_[last]);
    if (last >= 2 && is_number(parts_[last]) && parts_[last - 1] == "_variables" &&
        has_steps_beside(last - 1)) {
      return NamedState{CopyReason::kOptimizerSlot, parts_[last - 1], true};
    }
    if (last == 0 || !is_lone_number || !is_lone(tensor_) || !has_steps_beside(last)) {
      return std::nullopt;
    }
    const bool counts = contains(kCounters, parts_[last]);
    return NamedState{counts ? CopyReason::kCounter : CopyReason::kHyperparameter, parts_[last]};
  }

  // Keras 3 numbers variables; of four vectors of one length a batch norm has its scale, its
  // offset, its mean and its variance.
  [[nodiscard]] std::optional<NamedState> of_keras_normalization() const {
    const std::size_t last = parts_.size() - 1;
    if (last == 0 || parts_[last - 1] != "vars" || tensor_.shape.size() != 1) return std::nullopt;
    if (parts_[last] != "2" && parts_[last] != "3") return std::nullopt;
    const auto sibling = [&](std::string_view number) {
      return others_.find(parts_.before(last) + std::string(number));
    };
    const bool are_four =
        std::ranges::all_of(std::array<std::string_view, 4>{"0", "1", "2", "3"},
                            [&](std::string_view number) {
                              const TensorInfo* other = sibling(number);
                              return other != nullptr && other->shape == tensor_.shape;
                            }) &&
        sibling("4") == nullptr;
    if (!are_four) return std::nullopt;
    return NamedState{CopyReason::kMovingStatistic, parts_[last], false};
  }

  // Of the object that has part i.
  [[nodiscard]] bool has_steps_beside(std::size_t i) const {
    return std::ranges::any_of(kStepsOfKeras, [&](std::string_view steps) {
      return others_.find(parts_.before(i) + std::string(steps) + std::string(parts_.ending())) !=
             nullptr;
    });
  }

  // "state.0.step" of PyTorch's optimizers, a floating-point number.
  [[nodiscard]] bool is_torch_step() const {
    return parts_.size() == 3 && parts_[0] == "state" && is_number(parts_[1]) &&
           parts_.last() == "step";
  }

  std::optional<NamedState> of_last_part() const {
    const std::string_view last = parts_.last();
    const NamedState slot{CopyReason::kOptimizerSlot, last, false};
    const bool has_capital = std::isupper(static_cast<unsigned char>(last.front())) != 0;
    if ((has_capital && is_optimizer(last)) || is_named_slot(without_number(last))) return slot;
    return belongs_to_another(without_number(last)) ? std::optional(slot) : std::nullopt;
  }

  // "adam_m", "lamb_v", "slot_vr", "kernel_slot_vc".
  static bool is_named_slot(std::string_view part) {
    if (part.find('_') == std::string_view::npos) return false;
    for (const std::string_view word : kSlots) {
      if (!part.ends_with(word) || part.size() < word.size() + 2) continue;
      std::string_view before = part.substr(0, part.size() - word.size());
      if (before.back() != '_') continue;
      before.remove_suffix(1);
      if (before == "slot" || before.ends_with("_slot") || is_optimizer(before)) return true;
    }
    return false;
  }

  // Words that layers use as well ("v", "momentum") count only beside the variable that they would
  // belong to: NAME/v or NAME_v with the shape of NAME.
  [[nodiscard]] bool belongs_to_another(std::string_view last) const {
    if (contains(kSlots, last)) {
      return is_beside(parts_.without(parts_.size() - 1), last == "vr" || last == "vc");
    }
    for (const std::string_view word : {"m", "v", "momentum", "velocity", "accumulator"}) {
      if (last.size() < word.size() + 2 || !last.ends_with(word)) continue;
      if (last[last.size() - word.size() - 1] != '_') continue;
      const std::string stem = stem_of(word);
      if (!is_beside(stem, false)) continue;
      // One letter is little: weight normalization has a direction v. The pair is Adam's.
      if (word.size() > 1 || has_suffix(stem, word == "m" ? "_v" : "_m")) return true;
    }
    return false;
  }

  // The name without "_WORD".
  [[nodiscard]] std::string stem_of(std::string_view word) const {
    const std::string_view last = parts_.last();
    const auto end = static_cast<std::size_t>(last.data() - tensor_.name.data()) +
                     without_number(last).size() - word.size() - 1;
    return tensor_.name.substr(0, end) + std::string(parts_.ending());
  }

  [[nodiscard]] bool has_suffix(const std::string& stem, std::string_view suffix) const {
    const std::string_view ending = parts_.ending();
    return is_beside(
        stem.substr(0, stem.size() - ending.size()) + std::string(suffix) + std::string(ending),
        false);
  }

  [[nodiscard]] bool is_beside(const std::string& name, bool any_shape) const {
    const TensorInfo* found = others_.find(name);
    return found != nullptr && (any_shape || found->shape == tensor_.shape);
  }

  const TensorInfo& tensor_;
  const TensorNames& others_;
  bool is_variable_;
  NameParts parts_;
};

}  // namespace

std::optional<NamedState> named_state(const TensorInfo& tensor, const TensorNames& others) {
  return Classifier(tensor, others).classify();
}

bool has_part(std::string_view name, std::string_view part) {
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find_first_of("/.", begin), name.size());
    if (name.substr(begin, end - begin) == part) return true;
    begin = end + 1;
  }
  return false;
}

std::string_view last_part(std::string_view name) {
  const auto cut = name.find_last_of("/.");
  return cut == std::string_view::npos ? name : name.substr(cut + 1);
}

}  // namespace narrow
