// What the import and the rules of loops share.
#pragma once

#include "graph/graph.h"

namespace narrow {

// Makes the sizes of a state free that are others after a round, with `all` every one if any is;
// tells whether there were such. Both have as many axes.
bool free_what_changes(Dimensions& state, const Dimensions& after, bool all);

}  // namespace narrow
