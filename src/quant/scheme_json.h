// A scheme as JSON, in plan files and wherever else a recipe is written down.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "narrow/scheme.h"

namespace narrow {

// {"scheme": "fixed-point", "bits": 4, "scaling": "binary", "granularity": "channel", "axis": -1,
// "range": "mse"}; scaling for fixed point only, axis only when the scheme names one (a list of
// adjacent ones that are the channels together: [2, 3]), range only for schemes that take one. Of a
// fixed-point format what is not the default: "fraction_bits": 6, "signed": "always", "round_mode":
// "floor", "overflow": "wrap".
nlohmann::ordered_json scheme_json(const Scheme& scheme);

// The scheme that these members of an object describe; others are not looked at. Throws
// Error(kCorrupt) that begins with `where` for a member that is missing or no such value.
Scheme parse_scheme_json(const nlohmann::ordered_json& object, const std::string& where);

}  // namespace narrow
