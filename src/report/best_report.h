// What the best known recipe chose.
#pragma once

#include <nlohmann/json.hpp>

#include "narrow/best_recipe.h"

namespace narrow {

// Scheme and methods; with planned widths also "widths" to choose from, "average_bits", "damage"
// and "measured_images"; "missing".
nlohmann::ordered_json best_json(const BestRecipe& recipe);

}  // namespace narrow
