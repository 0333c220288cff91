// What was written of a network in integers, for programs.
#pragma once

#include <nlohmann/json.hpp>

#include "narrow/export_integers.h"

namespace narrow {

nlohmann::ordered_json c_network_json(const CNetworkExport& made,
                                      const IntegerArithmetic& arithmetic);
nlohmann::ordered_json vectors_json(const VectorsExport& made);

}  // namespace narrow
