#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "narrow/error.h"
#include "narrow/scheme_rules.h"
#include "tasks/name_pattern.h"
#include "tasks/rules/rule_keys.h"

namespace narrow {
namespace {

bool says(const SchemeRule& rule, std::string_view name) {
  const auto is_it = [&](const auto& setting) { return setting.first == name; };
  return std::ranges::any_of(rule.settings, is_it);
}

std::string_view last_part(std::string_view name) {
  const auto cut = name.find_last_of("/.");
  return cut == std::string_view::npos ? name : name.substr(cut + 1);
}

// Whether the pattern names training state as an include pattern has to.
bool spells_out(const std::string& pattern, const TensorInfo& info) {
  return is_floating_point(info.dtype) && is_training_state(info.name) &&
         last_part(pattern) == last_part(info.name);
}

// The base without what another scheme does not have.
PartialScheme base_for(const SchemeRule& rule, PartialScheme base) {
  for (const auto& [name, value] : rule.settings) {
    if (name == "scheme") base.scheme.kind = parse_scheme_kind(value);
  }
  if (!takes_range(base.scheme.kind)) base.scheme.range = {};
  return base;
}

// What the rule makes of the base; nothing for one that keeps.
std::optional<Scheme> scheme_of(const SchemeRule& rule, const PartialScheme& base) {
  if (rule.keeps) return std::nullopt;
  PartialScheme made = base_for(rule, base);
  for (const RuleKey& key : rule_keys()) {
    for (const auto& [name, value] : rule.settings) {
      if (name == key.name) key.set(value, made);
    }
  }
  const auto refuse = [&](std::string_view problem) {
    throw Error(ErrorCategory::kUsage, fmt::format("rule '{}': {}", rule.text, problem));
  };
  if (!made.has_kind) refuse("it names no scheme, and there is no --scheme");
  if (!made.has_bits) refuse("it gives no width (bits=), and there is no --bits");
  if (says(rule, "axis") && made.scheme.granularity.kind != Granularity::Kind::kChannel) {
    refuse("axis= is for granularity=channel");
  }
  try {
    validate(made.scheme);
  } catch (const Error& error) {
    refuse(error.what());
  }
  return made.scheme;
}

// Chooses the tensors of a plan and their rules.
class Chooser {
 public:
  Chooser(const std::vector<TensorInfo>& tensors, const std::vector<SchemeRule>& rules,
          const Selection& selection)
      : tensors_(tensors),
        rules_(rules),
        selection_(selection),
        selected_(select_tensors(tensors, selection)),
        used_(rules.size()) {}

  [[nodiscard]] bool is_selected(std::size_t tensor) const { return selected_[tensor]; }

  // The first rule that matches; rules_.size() for none.
  std::size_t rule_of(std::size_t tensor) {
    std::size_t first = rules_.size();
    for (std::size_t r = 0; r < rules_.size(); ++r) {
      if (!name_matches(rules_[r].pattern, tensors_[tensor].name)) continue;
      first = std::min(first, r);
      if (first == r && may_add(rules_[r], tensors_[tensor])) selected_[tensor] = true;
      if (selected_[tensor]) used_[r] = true;
    }
    return first;
  }

  void require_used() const {
    const auto unused = std::ranges::find(used_, false);
    if (unused == used_.end()) return;
    throw Error(ErrorCategory::kNotFound,
                fmt::format("rule '{}' matches none of the tensors that are quantized; narrow "
                            "inspect lists the names",
                            rules_[static_cast<std::size_t>(unused - used_.begin())].text));
  }

 private:
  // Whether the rule selects training state that it matches.
  [[nodiscard]] bool may_add(const SchemeRule& rule, const TensorInfo& info) const {
    if (rule.keeps || !selection_.include.empty() || !spells_out(rule.pattern, info)) return false;
    const auto excludes = [&](const std::string& pattern) {
      return name_matches(pattern, info.name);
    };
    return std::ranges::none_of(selection_.exclude, excludes);
  }

  const std::vector<TensorInfo>& tensors_;
  const std::vector<SchemeRule>& rules_;
  const Selection& selection_;
  std::vector<bool> selected_;
  std::vector<bool> used_;
};

}  // namespace

QuantizePlan make_rule_plan(const CheckpointReader& reader, const std::vector<SchemeRule>& rules,
                            const PartialScheme& base, const Selection& selection,
                            const AxisRules& axes) {
  std::vector<std::optional<Scheme>> schemes;
  for (const SchemeRule& rule : rules) schemes.push_back(scheme_of(rule, base));
  if (base.is_complete()) validate(base.scheme);
  schemes.push_back(base.is_complete() ? std::optional(base.scheme) : std::nullopt);
  Chooser chooser(reader.tensors(), rules, selection);
  QuantizePlan plan(reader.tensors().size());
  std::vector<TensorInfo> quantized;
  for (std::size_t i = 0; i < plan.size(); ++i) {
    plan[i].index = i;
    const std::optional<Scheme>& scheme = schemes[chooser.rule_of(i)];
    if (!chooser.is_selected(i) || !scheme) continue;
    const TensorInfo& info = reader.tensors()[i];
    plan[i].scheme = with_channel_axes(*scheme, info, reader.location().format, axes);
    if (!axes.by_name.empty()) quantized.push_back(info);
  }
  chooser.require_used();
  require_axis_matches(axes, quantized);
  return plan;
}

}  // namespace narrow
