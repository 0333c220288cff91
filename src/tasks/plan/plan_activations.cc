#include <fmt/format.h>

#include "base/file.h"
#include "base/json_text.h"
#include "narrow/error.h"
#include "narrow/plan.h"
#include "tasks/plan/plan_json.h"

namespace narrow {
namespace {

// The pattern that matches this name alone.
std::string exactly(const std::string& name) {
  std::string pattern;
  for (const char c : name) {
    if (c == '*' || c == '?' || c == '[' || c == '\\') pattern += '\\';
    pattern += c;
  }
  return pattern;
}

void add_rules(const std::vector<std::string>& values, const ActivationScheme& scheme,
               std::vector<ActivationRule>& rules) {
  for (const std::string& value : values) rules.push_back({exactly(value), scheme, true});
}

}  // namespace

std::vector<ActivationRule> activation_rules(const std::vector<AllocatedActivation>& activations) {
  std::vector<ActivationRule> rules;
  for (const AllocatedActivation& activation : activations) {
    add_rules(activation.values, activation.scheme, rules);
  }
  return rules;
}

nlohmann::ordered_json activations_json(const std::vector<AllocatedActivation>& activations) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const AllocatedActivation& activation : activations) {
    list.push_back({{"values", activation.values},
                    {"scheme", to_string(activation.scheme)},
                    {"range", range_text(activation.scheme)},
                    {"elements", activation.elements},
                    {"damage", activation.damage}});
  }
  return list;
}

std::vector<ActivationRule> parse_plan_activations(std::string_view json, const std::string& file) {
  const nlohmann::ordered_json plan = parse_plan_json(json, file);
  const auto list = plan.find("activations");
  std::vector<ActivationRule> rules;
  if (list == plan.end()) return rules;
  try {
    for (const nlohmann::ordered_json& entry : *list) {
      ActivationScheme scheme = parse_activations(entry.at("scheme").get<std::string>());
      parse_activation_range(entry.at("range").get<std::string>(), scheme);
      add_rules(entry.at("values").get<std::vector<std::string>>(), scheme, rules);
    }
  } catch (const nlohmann::ordered_json::exception&) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("the plan {} is wrong: its activations are not a list of objects with "
                            "values, scheme and range",
                            file));
  } catch (const Error& error) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("the plan {} is wrong: {}", file, error.what()));
  }
  return rules;
}

}  // namespace narrow
