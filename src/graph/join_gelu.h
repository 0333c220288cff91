// Puts functions together that exporters write out.
#pragma once

#include "graph/graph.h"

namespace narrow {

// x (1 + erf(x / sqrt 2)) / 2 is computed as one Gelu (Hendrycks and Gimpel, "Gaussian Error Linear
// Units", 2016), whichever way its factors are put together. Throws what infer_facts throws.
void join_gelu(Graph& graph);

}  // namespace narrow
