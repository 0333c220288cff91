// What the best known recipe chose.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "narrow/best_recipe.h"
#include "narrow/quantize_activations.h"

namespace narrow {

// Scheme and methods; whether the network is "levelled" before; with planned widths also "widths"
// to choose from, "average_bits", "damage" and "measured_images"; "missing".
nlohmann::ordered_json best_json(const BestRecipe& recipe);

// "NAME: 8", as --activation-rule takes it.
std::string bits_rule(const ActivationRule& rule);
// What choose_activations chose: "activation_range", "activation_rules".
void add_best_activations(const ActivationOptions& chosen, nlohmann::ordered_json& json);

}  // namespace narrow
