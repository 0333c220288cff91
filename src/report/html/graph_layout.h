// Where the boxes of a drawn graph go: one row for each length of the longest way from an input,
// the boxes of a row ordered by those above them (K. Sugiyama, S. Tagawa, M. Toda, "Methods for
// visual understanding of hierarchical system structures", IEEE Trans. SMC, 1981).
#pragma once

#include <cstddef>
#include <vector>

namespace narrow {

struct BoxPlace {
  std::size_t row = 0;
  double column = 0;  // of its middle, in widths of a box; 0 or more
};

// `sources`: of each box those that it hangs on, all of them before it.
std::vector<BoxPlace> layout_graph(const std::vector<std::vector<std::size_t>>& sources);

}  // namespace narrow
