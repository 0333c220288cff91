// Which taps of a convolution lie inside the image: at small sizes many of them meet the zeros of
// the padding most of the time, and their errors reach the output as seldom.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "graph/layers.h"

namespace narrow {

class TapCoverage {
 public:
  // A part of the output pixels, for which the same taps lie inside.
  struct View {
    double share = 0;               // of all output pixels; the views' shares add up to 1
    std::vector<std::size_t> taps;  // row by row
  };

  // One tap that is always inside.
  TapCoverage() : TapCoverage(square_window(1, 1), 1, 1) {}
  // Of a window with two axes on images of height x width pixels. Throws Error(kUnsupported) for
  // another number of axes or when no window fits.
  TapCoverage(const Window& window, std::int64_t height, std::int64_t width);

  [[nodiscard]] const std::vector<View>& views() const { return views_; }
  // By tap: for which share of the output pixels it lies inside.
  [[nodiscard]] const std::vector<double>& shares() const { return shares_; }

 private:
  std::vector<View> views_;
  std::vector<double> shares_;
};

// By Layer::name, when the network sees images of image_size x image_size pixels. Throws what
// infer_shapes and TapCoverage throw.
std::map<std::string, TapCoverage> tap_coverage(const Graph& graph,
                                                const std::vector<Layer>& layers, int image_size);

}  // namespace narrow
