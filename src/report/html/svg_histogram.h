// Two histograms over the same values, one up and one down, as an inline SVG picture.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace narrow {

struct MirroredHistogram {
  std::string description;  // for those who do not see it
  double low = 0;           // where the first bin begins
  double high = 0;          // where the last one ends
  std::vector<std::uint64_t> up;
  std::vector<std::uint64_t> down;  // as many bins
  std::string up_name;
  std::string down_name;
};

// Each half is as high as its highest bin.
std::string histogram_svg(const MirroredHistogram& histogram);

}  // namespace narrow
