// A plan file as JSON. Internal to this folder.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "narrow/plan.h"

namespace narrow {

// The whole of it; its kind and schema are right. Throws as parse_plan_file.
nlohmann::ordered_json parse_plan_json(std::string_view json, const std::string& file);

nlohmann::ordered_json activations_json(const std::vector<AllocatedActivation>& activations);

}  // namespace narrow
