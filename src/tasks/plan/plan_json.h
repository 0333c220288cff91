// A plan file as JSON. Internal to this folder.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

#include "narrow/plan.h"

namespace narrow {

// The whole of it; its kind and schema are right. Throws as read_plan_file.
nlohmann::ordered_json read_plan_json(const std::filesystem::path& path);

nlohmann::ordered_json activations_json(const std::vector<AllocatedActivation>& activations);

}  // namespace narrow
