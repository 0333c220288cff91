// Lists of what values between operators may be.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "narrow/activation_scheme.h"
#include "narrow/export.h"

namespace narrow {

// "float", "8", "6:symmetric" with each of the ranges "minmax", "mse"; null stands for float.
// Throws Error(kUsage) for a part that is no such thing or is there twice.
NARROW_EXPORT std::vector<std::optional<ActivationScheme>> activation_schemes(
    const std::vector<std::string>& list, const std::vector<std::string>& ranges);

// "8", "4:symmetric" by rising width, all of this range. Throws Error(kUsage) for a part that is no
// such thing, the same width twice and different kinds.
NARROW_EXPORT std::vector<ActivationScheme> planned_activations(
    const std::vector<std::string>& list, const std::string& range);

}  // namespace narrow
