// What a conversion makes of each tensor.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "narrow/convert_checkpoint.h"
#include "narrow/export_network.h"

namespace narrow {

// A row a tensor: name, type and shape before and after.
std::string conversion_table_text(const ConvertPlan& plan);
// "24 tensors (3 renamed, 2 of another type, 1 of another shape), left out: 12 optimizer slots\n".
std::string conversion_summary_text(const ConvertPlan& plan);
// The tensors and what is left out, with reasons.
nlohmann::ordered_json conversion_json(const ConvertPlan& plan);

// What was written, a line for the file and one for each input and output.
std::string exported_network_text(const ExportedNetwork& network, const CheckpointLocation& output);
nlohmann::ordered_json exported_network_json(const ExportedNetwork& network,
                                             const CheckpointReader& input,
                                             const CheckpointLocation& output);

}  // namespace narrow
