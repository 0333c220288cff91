#include "report/best_report.h"

#include <fmt/format.h>

namespace narrow {

nlohmann::ordered_json best_json(const BestRecipe& recipe) {
  const NetworkMethods& methods = recipe.methods;
  nlohmann::ordered_json json = {{"scheme", to_string(recipe.scheme.kind)},
                                 {"granularity", to_string(recipe.scheme.granularity)},
                                 {"range", to_string(recipe.scheme.range)},
                                 {"levelled", recipe.levelled != nullptr},
                                 {"fold", methods.fold},
                                 {"equalize", methods.equalize},
                                 {"absorb_channel_scales", methods.absorb_channel_scales},
                                 {"round", to_string(methods.rounding)},
                                 {"bias_correct", methods.bias_correct}};
  if (recipe.widths) {
    json["average_bits"] = *recipe.widths->average_bits;
    json["widths"] = recipe.widths->widths;
    json["damage"] = to_string(recipe.widths->damage);
    if (recipe.widths->damage == DamageKind::kMeasured) {
      json["measured_images"] = recipe.widths->measured_images;
    }
  } else {
    json["bits"] = recipe.scheme.bits;
  }
  json["missing"] = recipe.missing;
  return json;
}

std::string bits_rule(const ActivationRule& rule) {
  return fmt::format("{}: {}", rule.pattern, rule.scheme.bits);
}

void add_best_activations(const ActivationOptions& chosen, nlohmann::ordered_json& json) {
  json["activation_range"] = range_text(chosen.scheme);
  json["activation_rules"] = nlohmann::ordered_json::array();
  for (const ActivationRule& rule : chosen.rules)
    json["activation_rules"].push_back(bits_rule(rule));
}

}  // namespace narrow
