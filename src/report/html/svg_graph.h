// A network as a picture: a box a node, from top to bottom, with lines from what makes a value to
// what reads it. The page's script zooms it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace narrow {

struct SvgGraphNode {
  std::string title;                 // "Conv 3x3"
  std::string subtitle;              // its name
  std::string hover;                 // everything else, a line each
  std::vector<std::size_t> sources;  // nodes before it
  std::vector<double> shares;        // by measure: its part of the whole, from 0 to 1
};

// `measures`: what the shares are of; the reader chooses which one colours the boxes.
std::string graph_svg(const std::vector<SvgGraphNode>& nodes,
                      const std::vector<std::string>& measures);

}  // namespace narrow
