#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/name_pattern.h"
#include "narrow/error.h"
#include "narrow/scheme_rules.h"
#include "tasks/rules/rule_keys.h"

namespace narrow {
namespace {

bool says(const SchemeRule& rule, std::string_view name) {
  const auto is_it = [&](const auto& setting) { return setting.first == name; };
  return std::ranges::any_of(rule.settings, is_it);
}

// The base without what another scheme, or a format that the rule gives, does not have. What the
// rule itself says is set afterwards.
PartialScheme base_for(const SchemeRule& rule, PartialScheme base) {
  for (const auto& [name, value] : rule.settings) {
    if (name == "scheme") base.scheme.kind = parse_scheme_kind(value);
  }
  const bool gives_format =
      says(rule, "q") || says(rule, "ap-fixed") || says(rule, "fraction-bits");
  if (!takes_range(base.scheme.kind) || gives_format) base.scheme.range = {};
  if (gives_format) base.scheme.scaling = Scaling::kBinary;
  if (base.scheme.kind != SchemeKind::kFixedPoint) base.scheme.format = {};
  return base;
}

std::string_view value_of(const SchemeRule& rule, std::string_view name) {
  const auto found =
      std::ranges::find(rule.settings, name, [](const auto& setting) { return setting.first; });
  return found == rule.settings.end() ? std::string_view() : found->second;
}

// What contradicts a format that is named; empty when nothing does.
std::string contradiction(const SchemeRule& rule, const Scheme& made) {
  const bool has_q = says(rule, "q");
  if (!has_q && !says(rule, "ap-fixed")) return "";
  const std::string_view name = has_q ? "q" : "ap-fixed";
  if (has_q && says(rule, "ap-fixed")) return "q= and ap-fixed= are two names of formats";
  if (says(rule, "fraction-bits")) return fmt::format("{}= gives the fraction bits", name);
  if (says(rule, "bits") && value_of(rule, "bits") != std::to_string(made.bits)) {
    return fmt::format("{}= gives the width, {} bits", name, made.bits);
  }
  if (says(rule, "scheme") && value_of(rule, "scheme") != to_string(made.kind)) {
    return fmt::format("{}= is a format of fixed-point", name);
  }
  if (value_of(rule, "signed") == "auto") {
    return fmt::format("{}= has a sign; bits= and fraction-bits= need none", name);
  }
  return "";
}

[[noreturn]] void refuse(const SchemeRule& rule, std::string_view problem) {
  throw Error(ErrorCategory::kUsage, rule.text.empty()
                                         ? std::string(problem)
                                         : fmt::format("rule '{}': {}", rule.text, problem));
}

// The base with what the rule says, in the order of the keys. Throws for a contradiction.
PartialScheme with_settings(const SchemeRule& rule, const PartialScheme& base) {
  PartialScheme made = base_for(rule, base);
  for (const RuleKey& key : rule_keys()) {
    for (const auto& [name, value] : rule.settings) {
      if (name == key.name) key.set(value, made);
    }
  }
  const std::string problem = contradiction(rule, made.scheme);
  if (!problem.empty()) refuse(rule, problem);
  return made;
}

// What is said, but means nothing to the scheme.
void require_meaning(const SchemeRule& rule, const Scheme& made) {
  if (says(rule, "axis") && made.granularity.kind != Granularity::Kind::kChannel) {
    refuse(rule, "axis= is for granularity=channel");
  }
  if (value_of(rule, "scaling") == "decimal" && made.kind != SchemeKind::kFixedPoint) {
    refuse(rule, "scaling=decimal is for scheme=fixed-point");
  }
}

void require_valid(const SchemeRule& rule, const Scheme& made) {
  try {
    validate(made);
  } catch (const Error& error) {
    refuse(rule, error.what());
  }
}

// What the rule makes of the base; nothing for one that keeps.
std::optional<Scheme> scheme_of(const SchemeRule& rule, const PartialScheme& base) {
  if (rule.keeps) return std::nullopt;
  const PartialScheme made = with_settings(rule, base);
  if (!made.has_kind) refuse(rule, "it names no scheme, and there is no default scheme");
  if (!made.has_bits) refuse(rule, "it gives no width (bits=), and there is no default width");
  require_meaning(rule, made.scheme);
  require_valid(rule, made.scheme);
  return made.scheme;
}

// Finds the rule of each tensor, and sees to it that every rule is needed.
class Chooser {
 public:
  Chooser(const std::vector<TensorInfo>& tensors, const std::vector<SchemeRule>& rules,
          const Selection& selection)
      : tensors_(tensors),
        rules_(rules),
        selection_(selection),
        variables_(variable_names(tensors, selection)),
        used_(rules.size()),
        selected_by_(rules.size()) {
    selection_.rules.clear();
    by_default_ = copy_reasons(tensors, selection_);
  }

  // The first rule that matches a selected tensor; rules_.size() for none.
  std::size_t rule_of(std::size_t tensor) {
    std::size_t first = rules_.size();
    for (std::size_t r = 0; r < rules_.size(); ++r) {
      if (!matches(rules_[r].pattern, tensor) || !may_decide(r, tensor)) continue;
      first = std::min(first, r);
      used_[r] = true;
    }
    return first;
  }

  void require_used() const {
    const auto unused = std::ranges::find(used_, false);
    if (unused == used_.end()) return;
    throw Error(ErrorCategory::kNotFound,
                fmt::format("rule '{}' matches none of the tensors that are quantized",
                            rules_[static_cast<std::size_t>(unused - used_.begin())].text),
                {Remedy::Kind::kInspect});
  }

 private:
  // Of training state only rules that spell it out, as only they select it.
  bool may_decide(std::size_t rule, std::size_t tensor) {
    if (by_default_[tensor] == CopyReason::kNone || rules_[rule].keeps) return true;
    std::vector<CopyReason>& reasons = selected_by_[rule];
    if (reasons.empty()) {
      Selection alone = selection_;
      alone.rules = {rules_[rule].pattern};
      reasons = copy_reasons(tensors_, alone);
    }
    return reasons[tensor] == CopyReason::kNone;
  }
  [[nodiscard]] bool matches(const std::string& pattern, std::size_t tensor) const {
    return name_matches(pattern, tensors_[tensor].name) ||
           (!variables_[tensor].empty() && name_matches(pattern, variables_[tensor]));
  }

  const std::vector<TensorInfo>& tensors_;
  const std::vector<SchemeRule>& rules_;
  Selection selection_;  // without the rules
  std::vector<CopyReason> by_default_;
  std::vector<std::string> variables_;
  std::vector<bool> used_;
  std::vector<std::vector<CopyReason>> selected_by_;  // each rule alone; made when it is needed
};

}  // namespace

PartialScheme parse_settings(const SchemeSettings& settings) {
  const SchemeRule rule{.text = {}, .pattern = {}, .keeps = false, .settings = settings};
  for (const auto& [name, value] : settings) require_setting(name, value);
  PartialScheme made = with_settings(rule, {});
  if (made.has_kind) require_meaning(rule, made.scheme);
  if (made.is_complete()) require_valid(rule, made.scheme);
  return made;
}

QuantizePlan make_rule_plan(const CheckpointReader& reader, const std::vector<SchemeRule>& rules,
                            const PartialScheme& base, Selection selection, const AxisRules& axes) {
  std::vector<std::optional<Scheme>> schemes;
  for (const SchemeRule& rule : rules) {
    schemes.push_back(scheme_of(rule, base));
    if (!rule.keeps) selection.rules.push_back(rule.pattern);
  }
  if (base.is_complete()) validate(base.scheme);
  schemes.push_back(base.is_complete() ? std::optional(base.scheme) : std::nullopt);
  std::vector<CopyReason> reasons = copy_reasons(reader.tensors(), selection);
  Chooser chooser(reader.tensors(), rules, selection);
  QuantizePlan plan(reasons.size());
  std::vector<TensorInfo> quantized;
  for (std::size_t i = 0; i < plan.size(); ++i) {
    plan[i].index = i;
    if (reasons[i] == CopyReason::kNone) {
      const std::size_t rule = chooser.rule_of(i);
      const TensorInfo& info = reader.tensors()[i];
      if (schemes[rule]) {
        plan[i].scheme = with_channel_axes(*schemes[rule], info, reader.location().format, axes);
        quantized.push_back(info);
      } else {
        reasons[i] = rule < rules.size() ? CopyReason::kExcluded : CopyReason::kNotIncluded;
      }
    }
    plan[i].reason = reasons[i];
  }
  chooser.require_used();
  require_quantized(reader, quantized.size(), count_reasons(reasons));
  require_axis_matches(axes, quantized);
  return plan;
}

}  // namespace narrow
