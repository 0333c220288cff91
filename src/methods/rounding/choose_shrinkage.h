// How far second moments of a few images are to be trusted.
#pragma once

#include <span>

#include "methods/rounding/round_to_products.h"
#include "narrow/scheme.h"

namespace narrow {

// The RowGoals::shrinkage with which rows that are rounded for `fitted` cost least on `held_back`,
// moments of the same layer over other images: 0.1 or 0.3, or, on the side of the better one, 0.03
// or 0, 1 or 3. The cost is the sum over some rows, spread evenly, of what they cost there, as a
// part of the power of their wanted products. Rows get ranges of their own, whatever the scheme
// says. Goals are taken with the rest of `goals`, whose moments are not used. Does not depend on
// the number of threads. Throws what round_rows throws.
double choose_shrinkage(const RowGoals& goals, const PatchMoments& fitted,
                        const PatchMoments& held_back, const Scheme& scheme);

}  // namespace narrow
