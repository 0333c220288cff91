// What a tensor was quantized with, in the JSON of reports.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "narrow/channel_axes.h"
#include "narrow/scheme.h"

namespace narrow {

// Adds "scheme", "scaling" for fixed point, "bits", of a scheme with a format "fraction_bits" when
// it is given, "signed", "round_mode" and "overflow", then "granularity", "axis" when there are
// `axes` ([2, 3] for axes that are the channels together), and "range" for schemes that take one.
// These are facts of one tensor, so axes are counted from 0 and no member of a format is left out:
// a recipe, which quant/scheme_json.h writes and reads, holds only what was chosen.
void add_scheme_json(const Scheme& scheme, const std::optional<ChannelAxes>& axes,
                     nlohmann::ordered_json& json);

}  // namespace narrow
