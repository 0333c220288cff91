// Sizes that may be free, computed with.
#pragma once

#include <span>
#include <string>

#include "graph/graph.h"

namespace narrow {

// Whether two dimensions may be of one size.
bool may_be_equal(const Dimension& a, const Dimension& b);

// Products and sums of sizes; free when one of them is. Throw Error(kUnsupported) when the result
// does not fit into 63 bits.
Dimension product(const Dimension& a, const Dimension& b);
Dimension product(std::span<const Dimension> dimensions);
Dimension sum(const Dimension& a, const Dimension& b);

// Sizes of 1 are repeated, missing ones are put in front. Throws Error(kUnsupported) for others
// that differ; `verb` says what was to be done with them: "added".
Dimensions broadcast(const Dimensions& a, const Dimensions& b, const std::string& verb);

}  // namespace narrow
